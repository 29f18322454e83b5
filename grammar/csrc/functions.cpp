#include "functions.h"

namespace codefusion {
namespace {

void unite_words(const TokenSet& set, u64* words) {
    if (!set.words.empty())
        for (std::size_t i = 0; i < set.words.size(); i++) words[i] |= set.words[i];
    else
        for (u32 id : set.ids) words[id >> 6] |= 1ull << (id & 63);
}

}  // namespace

Functions::Functions(Recognizer* recognizer, TokenSplits* splits, WindowTree* windows, Records* records,
                     std::size_t num_words)
    : recognizer_(recognizer), splits_(splits), windows_(windows), records_(records), forest_(&recognizer->forest),
      num_words_(num_words) {
    filter_of({TerminalSet::all(), TerminalSet::all()});
    keyword_set_of({});
}

FunctionId Functions::of(SplitId split, ConfigId config, SuffixId rests, ModeId mode, FilterId filter) {
    const u64 key = static_cast<u64>(split) << 40 | static_cast<u64>(filter) << 16 | mode;
    u32 id = ids_.get(key);
    if (id != kNone) return id;
    const Split& s = (*splits_)[split];
    Function f{split, mode, filter, config, rests, windows_->new_tree(), s.num_tokens, s.has_lines, !s.resolves.empty(), false, {}, {}};
    for (const Inside& in : s.inside) f.inside.unite(in.terminals);
    f.inside = f.inside & filters_[filter].inside;
    f.completed = s.completed & filters_[filter].completed;
    for (const Completion& c : s.completions)
        f.has_keywords |= c.keyword != kNoSymbol && (f.completed.has(c.keyword) || f.completed.has(c.terminal));
    id = static_cast<u32>(functions_.size());
    functions_.push_back(f);
    ids_.put(key, id);
    return id;
}

FunctionId Functions::child(u32 completion_number, ModeId mode, SuffixId rests) {
    const u64 key = static_cast<u64>(completion_number) << 16 | mode;
    u32 id = children_.get(key);
    if (id == kNone) {
        id = at(recognizer_->fresh_config(mode), rests, mode);
        children_.put(key, id);
    }
    return id;
}

FunctionId Functions::restricted(FunctionId f, const TerminalSet& inside, const TerminalSet& completed) {
    const Function fn = functions_[f];
    const Filter left{fn.inside & inside, fn.completed & completed};
    if (left.inside.empty() && left.completed.empty() && !fn.resolves) return kNone;
    if (left.inside == fn.inside && left.completed == fn.completed) return f;
    return of(fn.split, fn.config, fn.rests, fn.mode, filter_of(left));
}

FilterId Functions::filter_of(const Filter& filter) {
    const auto equals = [&](u32 id) { return filters_[id].inside == filter.inside && filters_[id].completed == filter.completed; };
    return filter_ids_.intern(hash_combine(filter.inside.hash(), filter.completed.hash()), equals, [&] {
        if (filters_.size() >= 1u << 24) throw GrammarError("too many filters of terminals");
        filters_.push_back(filter);
        return static_cast<FilterId>(filters_.size() - 1);
    });
}

FunctionId Functions::united(const std::vector<FunctionId>& functions) {
    std::vector<SuffixId> rests;
    for (const FunctionId f : functions) rests.push_back(functions_[f].rests);
    const Function first = functions_[functions[0]];
    const SuffixId all = splits_->unite(rests);
    return of(splits_->split(first.config, all), first.config, all, first.mode, first.filter);
}

u32 Functions::keywords_for(FunctionId f, u32 valid) {
    if (!functions_[f].has_keywords) return 0;
    const u64 key = static_cast<u64>(f) << 32 | valid;
    u32 id = keyword_ids_.get(key);
    if (id == kNone) {
        TerminalSet words;
        for (const Completion& c : (*splits_)[functions_[f].split].completions)
            if (c.keyword != kNoSymbol && forest_->valid_of(valid).keywords.has(c.keyword)) words.add(c.keyword);
        id = keyword_set_of(words);
        keyword_ids_.put(key, id);
    }
    return id;
}

u32 Functions::keyword_set_of(const TerminalSet& words) {
    return keyword_set_ids_.intern(words.hash(), [&](u32 id) { return keyword_sets_[id] == words; }, [&] {
        keyword_sets_.push_back(words);
        return static_cast<u32>(keyword_sets_.size() - 1);
    });
}

RecordId Functions::base(FunctionId f, u32 valid) {
    const Function& fn = functions_[f];
    if (fn.filter == 0) return make_base(fn.split, valid);
    const u64 key = static_cast<u64>(fn.filter) << 32 | valid;
    u32 left = valid_ids_.get(key);
    if (left == kNone) {
        const StackForest::Valid v = forest_->valid_of(valid);
        left = forest_->intern_valid({v.terminals & filters_[fn.filter].inside, {}});
        valid_ids_.put(key, left);
    }
    return make_base(functions_[f].split, left);
}

bool Functions::implied(FunctionId f, const TerminalSet& a, const TerminalSet& b) const {
    for (const Inside& in : (*splits_)[functions_[f].split].inside)
        if (in.terminals.meets(a) && !((in.terminals & b) == b)) return false;
    return true;
}

RecordId Functions::make_base(SplitId split, u32 valid) {
    const u64 key = static_cast<u64>(split) << 24 | valid;
    u32 r = bases_.get(key);
    if (r != kNone) return r;
    num_bases++;
    const TerminalSet& set = forest_->valid_set(valid);
    const Records::Mark mark = records_->mark();
    std::vector<SetId> alive;
    u32 total = 0;
    if (!set.empty())
        for (const Inside& in : (*splits_)[split].inside)
            if (in.terminals.meets(set)) {
                alive.push_back(in.tokens);
                total += splits_->set(in.tokens).count;
            }
    if (total <= TokenSet::kDenseFrom) {  // none of them is dense
        for (SetId s : alive) {
            if (splits_->set(s).count <= 64) records_->add_ids(splits_->set(s).ids);
            else records_->add_set(s);
        }
    } else if (alive.size() == 1) {
        records_->add_set(alive[0]);
    } else {
        std::vector<u64> words(num_words_, 0);
        for (SetId s : alive) unite_words(splits_->set(s), words.data());
        u32 count = 0;
        for (u64 w : words) count += static_cast<u32>(__builtin_popcountll(w));
        if (count > TokenSet::kDenseFrom) {
            records_->add_set(splits_->intern_words(std::move(words), count));
        } else {
            std::vector<u32> ids;
            for (std::size_t i = 0; i < words.size(); i++)
                for (u64 w = words[i]; w != 0; w &= w - 1) ids.push_back(static_cast<u32>(i * 64) + static_cast<u32>(__builtin_ctzll(w)));
            records_->add_set(splits_->intern_set(ids));
        }
    }
    r = records_->make(mark);
    bases_.put(key, r);
    return r;
}

void Functions::clear() {
    functions_.clear();
    for (Table* t : {&ids_, &children_, &valid_ids_, &keyword_ids_, &bases_}) t->clear();
}

void Functions::renew_trees() {
    for (u32 i = 0; i < functions_.size(); i++) functions_[i].tree = i;
}

void Functions::copy_records() {
    bases_.rebuild([&](u64&, u32& record) {
        record = records_->copied(record);
        return true;
    });
}

void Functions::save(Writer& w) {
    w.array(filters_);
    w.array(keyword_sets_);
    std::vector<Saved> functions;
    for (const Function& f : functions_) functions.push_back({f.split, f.config, f.rests, f.filter, f.mode});
    w.array(functions);
    std::vector<SavedBase> bases;
    bases_.for_each([&](u64 key, u32 record) { bases.push_back({key, records_->copied(record), 0}); });
    w.array(bases);
}

void Functions::load(Reader& r) {
    const auto check = [](bool fits) {
        if (!fits) throw GrammarError("the artefact's functions do not fit together");
    };
    std::vector<Filter> filters;
    std::vector<TerminalSet> keyword_sets;
    std::vector<Saved> functions;
    std::vector<SavedBase> bases;
    r.array(filters);
    r.array(keyword_sets);
    r.array(functions);
    r.array(bases);
    for (std::size_t i = 0; i < filters.size(); i++) check(filter_of(filters[i]) == i);
    for (std::size_t i = 0; i < keyword_sets.size(); i++) check(keyword_set_of(keyword_sets[i]) == i);
    for (std::size_t i = 0; i < functions.size(); i++) {
        const Saved& f = functions[i];
        check(f.split < splits_->size() && f.config < recognizer_->num_configs() && f.rests < splits_->num_suffixes());
        check(f.filter < filters_.size() && f.mode < recognizer_->states.num_modes());
        check(of(f.split, f.config, f.rests, static_cast<ModeId>(f.mode), f.filter) == i);
    }
    for (const SavedBase& b : bases) {
        check(b.key >> 24 < splits_->size() && (b.key & 0xffffff) < forest_->num_valid_sets() && b.record < records_->size());
        bases_.put(b.key, b.record);
    }
}

std::size_t Functions::bytes() const {
    std::size_t n = functions_.size() * sizeof(Function);
    for (const Table* t : {&ids_, &children_, &filter_ids_, &valid_ids_, &keyword_ids_, &keyword_set_ids_, &bases_}) n += t->bytes();
    return n;
}

}  // namespace codefusion
