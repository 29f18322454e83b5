#include "records.h"

#include <algorithm>
#include <cstring>

namespace codefusion {
namespace {

// Two lanes: some hundred numbers take a fraction of a microsecond.
u64 hash_numbers(const u32* at, u32 size, u64 seed) {
    u64 a = seed, b = size;
    u32 i = 0;
    for (; i + 2 <= size; i += 2) {
        a = (a ^ at[i]) * 0x9e3779b97f4a7c15ull;
        b = (b ^ at[i + 1]) * 0xbf58476d1ce4e5b9ull;
        a ^= a >> 31;
        b ^= b >> 29;
    }
    if (i < size) a = mix64(a ^ at[i]);
    return mix64(a ^ mix64(b));
}

}  // namespace

Records::Records(const TokenSplits* splits, std::size_t num_words) : splits_(splits), num_words_(num_words) {
    records_.push_back(Record{});
    for (std::size_t i = 0; i < kBlocksAhead; i++) blocks_.emplace_back(kBlock * num_words_);
}

void Records::add_mask(const u64* words) {
    if (num_masks_ == blocks_.size() * kBlock) blocks_.emplace_back(kBlock * num_words_);
    std::memcpy(mask(num_masks_++), words, num_words_ * 8);
}

void Records::add_record(RecordId r) {
    if (r == 0) return;
    const Record& q = records_[r];
    if (q.num_ids + q.num_refs > kInlined) {
        refs_.push_back(kRecordRef | r);
        return;
    }
    const auto from = arena_.begin() + q.offset;
    ids_.insert(ids_.end(), from, from + q.num_ids);
    refs_.insert(refs_.end(), from + q.num_ids, from + q.num_ids + q.num_refs);
}

RecordId Records::make(const Mark& mark) {
    const auto num_ids = static_cast<u32>(ids_.size() - mark.id), num_refs = static_cast<u32>(refs_.size() - mark.ref);
    RecordId id = 0;
    if (num_ids + num_refs != 0) {
        id = static_cast<RecordId>(records_.size());
        records_.push_back({static_cast<u32>(arena_.size()), num_ids, num_refs});
        arena_.insert(arena_.end(), ids_.begin() + static_cast<std::ptrdiff_t>(mark.id), ids_.end());
        arena_.insert(arena_.end(), refs_.begin() + static_cast<std::ptrdiff_t>(mark.ref), refs_.end());
    }
    ids_.resize(mark.id);
    refs_.resize(mark.ref);
    return id;
}

RecordId Records::same(RecordId r, bool take_back) {
    const Record& q = records_[r];
    const u32 size = q.num_ids + q.num_refs;
    if (size > kCompared) return r;
    const u64 key = hash_numbers(arena_.data() + q.offset, size, q.num_ids) >> 1;
    const u32 other = same_.get(key);
    if (other == kNone) {
        same_.put(key, r);
        return r;
    }
    const Record& o = records_[other];
    if (o.num_ids != q.num_ids || o.num_refs != q.num_refs ||
        !std::equal(arena_.begin() + q.offset, arena_.begin() + q.offset + size, arena_.begin() + o.offset))
        return r;
    if (take_back && other != r && r + 1 == records_.size()) {
        arena_.resize(q.offset);
        records_.pop_back();
    }
    return other;
}

// The sets are united in one pass: a set is 19 KB, and each pass over them costs as much as a set more.
void Records::gather(RecordId r, std::vector<const TokenSet*>& dense, std::vector<const u32*>& sparse) const {
    const Record& q = records_[r];
    const u32* at = arena_.data() + q.offset;
    if (q.num_ids != 0) sparse.insert(sparse.end(), {at, at + q.num_ids});
    for (u32 i = 0; i < q.num_refs; i++) {
        const u32 ref = at[q.num_ids + i];
        if ((ref & kRecordRef) != 0) {
            gather(ref & ~kRecordRef, dense, sparse);
            continue;
        }
        const TokenSet& set = splits_->set(ref);
        if (set.words.empty()) sparse.insert(sparse.end(), {set.ids.data(), set.ids.data() + set.ids.size()});
        else if (std::find(dense.begin(), dense.end(), &set) == dense.end()) dense.push_back(&set);
    }
}

void Records::apply(const std::vector<RecordId>& records, u64* words) {
    dense_.clear();
    sparse_.clear();
    for (const RecordId r : records) gather(r, dense_, sparse_);
    if (dense_.empty()) std::memset(words, 0, num_words_ * 8);
    else std::memcpy(words, dense_[0]->words.data(), num_words_ * 8);
    for (std::size_t i = 1; i < dense_.size(); i += 3) {
        const u64* a = dense_[i]->words.data();
        const u64* b = dense_[std::min(i + 1, dense_.size() - 1)]->words.data();
        const u64* c = dense_[std::min(i + 2, dense_.size() - 1)]->words.data();
        for (std::size_t w = 0; w < num_words_; w++) words[w] |= a[w] | b[w] | c[w];
    }
    for (std::size_t i = 0; i < sparse_.size(); i += 2)
        for (const u32* id = sparse_[i]; id != sparse_[i + 1]; id++) words[*id >> 6] |= 1ull << (*id & 63);
}

const u64* Records::mask_of(RecordId r, u64* words) {
    const u32 known = masks_of_record_.get(r);
    if (known != kNone) {
        mask_hits++;
        return mask(known);
    }
    apply({r}, words);
    for (u64 key = hash_words(words, num_words_) >> 1;; key = mix64(key) >> 1) {
        const u32 id = mask_ids_.get(key);
        if (id == kNone) {
            if (num_masks_ >= kMaxMasks) return words;
            mask_ids_.put(key, static_cast<u32>(num_masks_));
            masks_of_record_.put(r, static_cast<u32>(num_masks_));
            add_mask(words);
            return words;
        }
        if (std::memcmp(mask(id), words, num_words_ * 8) == 0) {
            masks_of_record_.put(r, id);
            return words;
        }
    }
}

void Records::clear() {
    for (Table* t : {&same_, &masks_of_record_, &mask_ids_}) t->clear();
    Array<Record>(1).swap(records_);  // and give the memory back
    Array<u32>().swap(arena_);
    blocks_.resize(std::min(blocks_.size(), kBlocksAhead));
    num_masks_ = 0;
}

void Records::begin_copy() {
    copies_.assign(records_.size(), 0);
    Array<Record>(1).swap(new_records_);
    Array<u32>().swap(new_arena_);
}

RecordId Records::copied(RecordId r) {
    if (r == 0 || copies_[r] != 0) return copies_[r];
    const Record& q = records_[r];
    std::vector<u32> refs;
    for (u32 i = 0; i < q.num_refs; i++) {
        const u32 ref = arena_[q.offset + q.num_ids + i];
        refs.push_back((ref & kRecordRef) != 0 ? kRecordRef | copied(ref & ~kRecordRef) : ref);
    }
    copies_[r] = static_cast<RecordId>(new_records_.size());
    new_records_.push_back({static_cast<u32>(new_arena_.size()), q.num_ids, q.num_refs});
    new_arena_.insert(new_arena_.end(), arena_.begin() + q.offset, arena_.begin() + q.offset + q.num_ids);
    new_arena_.insert(new_arena_.end(), refs.begin(), refs.end());
    return copies_[r];
}

void Records::end_copy() {
    same_.clear();
    std::vector<u32> places(num_masks_, kNone);
    masks_of_record_.for_each([&](u64 record, u32 id) {
        if (copies_[record] != 0) places[id] = 0;
    });
    const std::size_t num_before = num_masks_;
    num_masks_ = 0;
    for (std::size_t i = 0; i < num_before; i++) {
        if (places[i] == kNone) continue;
        if (i != num_masks_) std::memcpy(mask(num_masks_), mask(i), num_words_ * 8);
        places[i] = static_cast<u32>(num_masks_++);
    }
    blocks_.resize(std::max(kBlocksAhead, (num_masks_ + kBlock - 1) / kBlock));
    masks_of_record_.rebuild([&](u64& record, u32& id) {
        record = copies_[record];
        id = places[id];
        return record != 0;
    });
    mask_ids_.rebuild([&](u64&, u32& id) {
        id = places[id];
        return id != kNone;
    });
    records_.swap(new_records_);
    arena_.swap(new_arena_);
    Array<Record>().swap(new_records_);
    Array<u32>().swap(new_arena_);
    std::vector<RecordId>().swap(copies_);
}

void Records::save_copy(Writer& w) {
    w.array(new_records_);
    w.array(new_arena_);
    Array<Record>().swap(new_records_);
    Array<u32>().swap(new_arena_);
    std::vector<RecordId>().swap(copies_);
}

void Records::load(Reader& r, u32 width) {
    r.array(records_);
    r.array(arena_);
    const auto check = [](bool fits) {
        if (!fits) throw GrammarError("the artefact's results do not fit together");
    };
    check(!records_.empty() && records_[0].num_ids + records_[0].num_refs == 0);
    for (RecordId i = 0; i < records_.size(); i++) {
        const Record& q = records_[i];
        check(static_cast<u64>(q.offset) + q.num_ids + q.num_refs <= arena_.size());
        for (u32 k = 0; k < q.num_ids; k++) check(arena_[q.offset + k] < width);
        for (u32 k = 0; k < q.num_refs; k++) {
            const u32 ref = arena_[q.offset + q.num_ids + k];
            // Records refer to older ones, so that gathering ends.
            check((ref & kRecordRef) != 0 ? (ref & ~kRecordRef) < i : ref < splits_->num_sets());
        }
    }
}

std::size_t Records::bytes() const {
    std::size_t n = arena_.size() * 4 + records_.size() * sizeof(Record) + blocks_.size() * kBlock * num_words_ * 8;
    for (const Table* t : {&same_, &masks_of_record_, &mask_ids_}) n += t->bytes();
    return n;
}

}  // namespace codefusion
