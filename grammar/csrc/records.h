// Sets of allowed tokens as they are put together: a few ids, and references to stored sets and to other records.
//
//     record  ids 17 309 …   refs  set 4 (19 KB)   record 81
// A mask is made from a record once; equal masks are stored once, and a mask met again is one copy.
#pragma once
#include "serialize.h"
#include "token_splits.h"

namespace codefusion {

using RecordId = u32;  // 0: no token

class Records {
public:
    Records(const TokenSplits* splits, std::size_t num_words);

    // What is added between a mark and make() becomes a record; marks nest.
    struct Mark {
        std::size_t id, ref;
    };
    Mark mark() const { return {ids_.size(), refs_.size()}; }
    void add_ids(const std::vector<u32>& ids) { ids_.insert(ids_.end(), ids.begin(), ids.end()); }
    void add_set(SetId set) { refs_.push_back(set); }
    void add_record(RecordId r);
    RecordId make(const Mark& mark);

    void prefetch(RecordId r) const { __builtin_prefetch(&records_[r]); }
    void prefetch_content(RecordId r) const { __builtin_prefetch(arena_.data() + records_[r].offset); }

    // The record whose content is the same, if there was one before; r is taken back when it is the newest. Records of
    // many parts are not compared.
    RecordId same(RecordId r, bool take_back);
    // One bit a token; `words` is working space, and holds the result where that is not stored.
    const u64* mask_of(RecordId r, u64* words);
    void apply(const std::vector<RecordId>& records, u64* words);

    void clear();
    // Keeps the records for which the caller calls copied() between begin_copy and end_copy, and what those refer to.
    void begin_copy();
    RecordId copied(RecordId r);
    void end_copy();
    void save_copy(Writer& w);  // instead of end_copy: writes the copy, and leaves everything as it was
    void load(Reader& r, u32 width);
    std::size_t size() const { return records_.size(); }

    std::size_t bytes() const;
    u64 mask_hits = 0;

private:
    static constexpr u32 kRecordRef = 0x80000000u;
    static constexpr u32 kInlined = 64;             // longer records are referred to rather than copied
    static constexpr u32 kCompared = 4096;          // longer ones are not looked for among those made before
    static constexpr std::size_t kMaxMasks = 1024;  // 19 MB at width 151,936
    struct Record {
        u32 offset = 0, num_ids = 0, num_refs = 0;  // into arena_: ids, then references
    };
    void gather(RecordId r, std::vector<const TokenSet*>& dense, std::vector<const u32*>& sparse) const;

    const TokenSplits* splits_;
    std::size_t num_words_;
    Array<Record> records_;
    Array<u32> arena_;
    std::vector<u32> ids_, refs_;
    Table same_, masks_of_record_, mask_ids_;
    // Masks in blocks, the first of them made before they are needed: a mask in new memory costs as much as its making.
    static constexpr std::size_t kBlock = 64, kBlocksAhead = 4;
    std::vector<Array<u64>> blocks_;
    std::size_t num_masks_ = 0;
    u64* mask(std::size_t i) { return blocks_[i / kBlock].data() + i % kBlock * num_words_; }
    void add_mask(const u64* words);
    std::vector<const TokenSet*> dense_;
    std::vector<const u32*> sparse_;  // begin, end, begin, end, ...
    std::vector<RecordId> copies_;    // while copying
    Array<Record> new_records_;
    Array<u32> new_arena_;
};

}  // namespace codefusion
