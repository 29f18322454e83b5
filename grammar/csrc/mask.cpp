#include "mask.h"

#include <algorithm>
#include <cstring>

namespace codefusion {
namespace {

constexpr u32 kRememberFrom = 30;        // splits of fewer tokens are evaluated again rather than looked up
constexpr std::size_t kMaxMasks = 1024;  // 19 MB at width 151,936

void unite_words(const TokenSet& set, u64* words) {
    if (!set.words.empty())
        for (std::size_t i = 0; i < set.words.size(); i++) words[i] |= set.words[i];
    else
        for (u32 id : set.ids) words[id >> 6] |= 1ull << (id & 63);
}

}  // namespace

MaskEvaluator::MaskEvaluator(Recognizer* r, TokenSplits* s, const Vocabulary* v)
    : recognizer_(r), splits_(s), forest_(&r->forest), num_words_(v->num_words()), windows_(&r->forest) {
    records_.push_back(Record{});
}

void MaskEvaluator::clear() {
    functions_.clear();
    for (Table* t : {&function_ids_, &child_functions_, &bases_, &shallow_ids_, &reread_ids_, &masks_of_record_, &mask_ids_,
                     &top_records_})
        t->clear();
    windows_.clear(0);
    Array<Record>(1).swap(records_);  // and give the memory back
    Array<u32>().swap(arena_);
    Array<Shallow>().swap(shallows_);
    Array<Deep>().swap(deeps_);
    rereads_.clear();
    masks_.clear();
}

void MaskEvaluator::forget_stacks() {
    windows_.clear(static_cast<u32>(functions_.size()));
    for (u32 i = 0; i < functions_.size(); i++) functions_[i].tree = i;
}

MaskEvaluator::RecordId MaskEvaluator::copied(RecordId r, std::vector<RecordId>& copies, Array<Record>& records,
                                              Array<u32>& arena) const {
    if (r == 0 || copies[r] != 0) return copies[r];
    const Record& q = records_[r];
    std::vector<u32> refs;
    for (u32 i = 0; i < q.num_refs; i++) {
        const u32 ref = arena_[q.offset + q.num_ids + i];
        refs.push_back((ref & kRecordRef) != 0 ? kRecordRef | copied(ref & ~kRecordRef, copies, records, arena) : ref);
    }
    copies[r] = static_cast<RecordId>(records.size());
    records.push_back({static_cast<u32>(arena.size()), q.num_ids, q.num_refs});
    arena.insert(arena.end(), arena_.begin() + q.offset, arena_.begin() + q.offset + q.num_ids);
    arena.insert(arena.end(), refs.begin(), refs.end());
    return copies[r];
}

void MaskEvaluator::drop_unused(std::vector<NodeId*>& nodes) {
    std::vector<RecordId> copies(records_.size(), 0);
    Array<Record> records(1);
    Array<u32> arena;
    windows_.drop_unused([&](RecordId r) { return copied(r, copies, records, arena); }, nodes);
    bases_.rebuild([&](u64&, u32& record) {
        record = copied(record, copies, records, arena);
        return true;
    });
    for (Shallow& s : shallows_) s.record = copied(s.record, copies, records, arena);
    top_records_.clear();
    std::vector<u32> places(masks_.size(), kNone);
    std::vector<std::vector<u64>> masks;
    masks_of_record_.rebuild([&](u64& record, u32& mask) {
        record = copies[record];
        if (record == 0) return false;
        if (places[mask] == kNone) {
            places[mask] = static_cast<u32>(masks.size());
            masks.push_back(std::move(masks_[mask]));
        }
        mask = places[mask];
        return true;
    });
    mask_ids_.rebuild([&](u64&, u32& mask) {
        mask = places[mask];
        return mask != kNone;
    });
    masks_.swap(masks);
    records_.swap(records);
    arena_.swap(arena);
}

std::size_t MaskEvaluator::bytes() const {
    std::size_t n = arena_.capacity() * 4 + records_.capacity() * sizeof(Record) + shallows_.capacity() * sizeof(Shallow) +
                    deeps_.capacity() * sizeof(Deep) + windows_.bytes() + masks_.size() * num_words_ * 8 +
                    functions_.capacity() * sizeof(Function);
    for (const Table* t : {&function_ids_, &child_functions_, &bases_, &shallow_ids_, &reread_ids_, &masks_of_record_,
                           &mask_ids_, &top_records_})
        n += t->bytes();
    return n;
}

// ---- functions

MaskEvaluator::FunctionId MaskEvaluator::function_of(SplitId split, ModeId mode) {
    const u64 key = static_cast<u64>(split) << 16 | mode;
    u32 id = function_ids_.get(key);
    if (id != kNone) return id;
    const Split& s = (*splits_)[split];
    id = static_cast<u32>(functions_.size());
    functions_.push_back({split, mode, s.has_lines, windows_.new_tree(), s.num_tokens, s.completed});
    function_ids_.put(key, id);
    return id;
}

MaskEvaluator::FunctionId MaskEvaluator::child_function(u32 completion_number, ModeId mode, SuffixId rests) {
    const u64 key = static_cast<u64>(completion_number) << 16 | mode;
    u32 id = child_functions_.get(key);
    if (id == kNone) {
        id = function_at(recognizer_->fresh_config(mode), rests, mode);
        child_functions_.put(key, id);
    }
    return id;
}

// ---- records

void MaskEvaluator::add_set(SetId set) {
    const TokenSet& t = splits_->set(set);
    if (t.words.empty() && t.ids.size() <= 64) ids_.insert(ids_.end(), t.ids.begin(), t.ids.end());
    else refs_.push_back(set);
}

void MaskEvaluator::add_record(RecordId r) {
    const Record& q = records_[r];
    if (q.num_ids + q.num_refs > 64) {
        refs_.push_back(kRecordRef | r);
        return;
    }
    const auto from = arena_.begin() + q.offset;
    ids_.insert(ids_.end(), from, from + q.num_ids);
    refs_.insert(refs_.end(), from + q.num_ids, from + q.num_ids + q.num_refs);
}

MaskEvaluator::RecordId MaskEvaluator::make_record(std::size_t first_id, std::size_t first_ref) {
    const auto num_ids = static_cast<u32>(ids_.size() - first_id), num_refs = static_cast<u32>(refs_.size() - first_ref);
    RecordId id = 0;
    if (num_ids + num_refs != 0) {
        id = static_cast<RecordId>(records_.size());
        records_.push_back({static_cast<u32>(arena_.size()), num_ids, num_refs});
        arena_.insert(arena_.end(), ids_.begin() + static_cast<std::ptrdiff_t>(first_id), ids_.end());
        arena_.insert(arena_.end(), refs_.begin() + static_cast<std::ptrdiff_t>(first_ref), refs_.end());
    }
    ids_.resize(first_id);
    refs_.resize(first_ref);
    return id;
}

// The sets are united in one pass: a set is 19 KB, and each pass over them costs as much as a set more.
void MaskEvaluator::gather(RecordId r, std::vector<const TokenSet*>& dense, std::vector<const u32*>& sparse) const {
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

void MaskEvaluator::apply(const std::vector<RecordId>& records, u64* words) {
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

// ---- evaluation

// Tokens that end inside their first lexeme depend on the valid set alone.
MaskEvaluator::RecordId MaskEvaluator::base(SplitId split, u32 valid) {
    const u64 key = static_cast<u64>(split) << 24 | valid;
    u32 r = bases_.get(key);
    if (r != kNone) return r;
    statistics.bases++;
    const TerminalSet& set = forest_->valid_set(valid);
    const std::size_t first_id = ids_.size(), first_ref = refs_.size();
    std::vector<SetId> alive;
    u32 total = 0;
    if (!set.empty())
        for (const Inside& in : (*splits_)[split].inside)
            if (in.terminals.meets(set)) {
                alive.push_back(in.tokens);
                total += splits_->set(in.tokens).count;
            }
    if (total <= 256) {
        for (SetId s : alive) ids_.insert(ids_.end(), splits_->set(s).ids.begin(), splits_->set(s).ids.end());
    } else if (alive.size() == 1) {
        refs_.push_back(alive[0]);
    } else {
        std::vector<u64> words(num_words_, 0);
        for (SetId s : alive) unite_words(splits_->set(s), words.data());
        u32 count = 0;
        for (u64 w : words) count += static_cast<u32>(__builtin_popcountll(w));
        if (count > TokenSet::kDenseFrom) {
            refs_.push_back(splits_->intern_words(std::move(words), count));
        } else {
            std::vector<u32> ids;
            for (std::size_t i = 0; i < words.size(); i++)
                for (u64 w = words[i]; w != 0; w &= w - 1) ids.push_back(static_cast<u32>(i * 64) + static_cast<u32>(__builtin_ctzll(w)));
            refs_.push_back(splits_->intern_set(ids));
        }
    }
    r = make_record(first_id, first_ref);
    bases_.put(key, r);
    return r;
}

bool MaskEvaluator::base_only(FunctionId f, NodeId node, RecordId* record) {
    const Function& fn = functions_[f];
    const u32 valid = forest_->valid_id(node);
    if (fn.has_lines || forest_->valid_set(valid).meets(fn.completed)) return false;
    *record = base(fn.split, valid);
    return true;
}

MaskEvaluator::RecordId MaskEvaluator::evaluate(FunctionId f, NodeId node, u32 depth, const Line& line) {
    statistics.evaluations++;
    RecordId r;
    if (depth != 0 && base_only(f, node, &r)) return r;
    const bool remember = functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines;
    if (remember && (r = windows_.find(functions_[f].tree, node)) != kNone) return r;
    const u32 outer = forest_->lowest_read;
    forest_->lowest_read = (*forest_)[node].depth;
    const std::size_t first_id = ids_.size(), first_ref = refs_.size();
    body(f, node, depth, line);
    r = make_record(first_id, first_ref);
    if (remember) windows_.insert(functions_[f].tree, node, forest_->lowest_read, r);
    forest_->touch(outer);
    return r;
}

void MaskEvaluator::evaluate_into(FunctionId f, NodeId node, u32 depth, const Line& line) {
    if (functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines) {
        add_record(evaluate(f, node, depth, line));
        return;
    }
    statistics.evaluations++;
    RecordId r;
    if (base_only(f, node, &r)) {
        add_record(r);
        return;
    }
    const u32 outer = forest_->lowest_read;
    forest_->lowest_read = (*forest_)[node].depth;
    body(f, node, depth, line);
    forest_->touch(outer);
}

// All completed terminals step at once: (stack, terminals) pairs follow the reductions; at each stack the terminals
// that can be shifted are looked up together.
//
// What is looked up lies anywhere in tens of megabytes, so a lookup waits for memory longer than it computes. The work
// is therefore done in rounds over everything at hand, and each round fetches what the next one reads.
void MaskEvaluator::body(FunctionId f, NodeId node, u32 depth, const Line& line) {
    statistics.bodies++;
    const Function fn = functions_[f];
    const u32 valid = forest_->valid_id(node);
    const std::size_t first_step = steps_.size(), first_child = children_.size();
    steps_reached(f, node, valid);
    const std::size_t last_step = steps_.size();
    add_record(base(fn.split, valid));
    for (std::size_t i = first_step; i < last_step; i++) {
        if (steps_[i].terminals.empty()) continue;
        const Step step = steps_[i];
        const Shallow& found = shallow(f, valid, step.node, step.terminals, step.key);
        steps_[i].record = found.record;
        steps_[i].first_deep = found.first_deep;
        steps_[i].num_deep = found.num_deep;
        __builtin_prefetch(&records_[found.record]);
        __builtin_prefetch(deeps_.data() + found.first_deep);
    }
    for (std::size_t i = first_step; i < last_step; i++) {
        const Step& step = steps_[i];
        if (step.terminals.empty()) continue;
        __builtin_prefetch(arena_.data() + records_[step.record].offset);
        for (u32 k = 0; k < step.num_deep; k++) forest_->prefetch_push(step.node, deeps_[step.first_deep + k].target);
    }
    for (std::size_t i = first_step; i < last_step; i++) {
        const Step& step = steps_[i];
        if (step.terminals.empty()) continue;
        add_record(step.record);
        for (u32 k = 0; k < step.num_deep; k++) {
            const u32 number = step.first_deep + k;
            const NodeId z = deeps_[number].is_extra ? step.node : forest_->push(step.node, deeps_[number].target);
            forest_->prefetch(z);
            children_.push_back({number, z});
        }
    }
    steps_.resize(first_step);
    const std::size_t last_child = children_.size();
    statistics.deep += last_child - first_child;
    for (std::size_t i = first_child; i < last_child; i++) {
        Child& child = children_[i];
        const FunctionId function = deeps_[child.deep].function;
        if (function == kNone) continue;
        child.node = forest_->normal(child.node);
        forest_->prefetch(child.node);
        windows_.prefetch(functions_[function].tree, (*forest_)[child.node].state);
    }
    for (std::size_t i = first_child; i < last_child; i++) {
        const NodeId z = children_[i].node;
        const Deep d = deeps_[children_[i].deep];
        if (d.function != kNone) {
            evaluate_into(d.function, z, depth + 1, line);
            continue;
        }
        const Split& split = (*splits_)[fn.split];
        const Completion c = split.completions[d.completion];
        const ModeId mode = d.is_extra && z == node ? fn.mode : forest_->state(z).mode;
        descend(z, mode, c.reread, c.rests, split.first_completion + d.completion, depth + 1, line);
    }
    children_.resize(first_child);
    if (!(*splits_)[fn.split].resolves.empty()) resolve_lines(f, node, depth, line);
}

// Appends to steps_ every stack that reductions lead to, with the completed terminals that can be shifted there.
void MaskEvaluator::steps_reached(FunctionId f, NodeId node, u32 valid) {
    const std::size_t first = steps_.size();
    const auto add = [&](NodeId n, const TerminalSet& t) {
        for (std::size_t i = first; i < steps_.size(); i++)
            if (steps_[i].node == n && (steps_[i].wanted & t) == t) return;  // an empty reduction may loop
        Step step;
        step.node = n;
        step.wanted = t;
        steps_.push_back(step);
    };
    const TerminalSet wanted = forest_->valid_set(valid) & functions_[f].completed;
    if (!wanted.empty()) add(node, wanted);
    for (std::size_t i = first; i < steps_.size(); i++) {
        if (i - first >= 4096) {
            statistics.overflows++;
            steps_.resize(i);
            break;
        }
        const NodeId at = steps_[i].node;
        const TerminalSet terminals = steps_[i].wanted;
        forest_->touch((*forest_)[at].depth);
        const RefinedState& s = forest_->state(at);
        steps_[i].terminals = terminals & s.shifts;
        if (!steps_[i].terminals.empty()) {
            steps_[i].key = shallow_key(f, valid, (*forest_)[at].state, steps_[i].terminals);
            shallow_ids_.prefetch(steps_[i].key);
        }
        for (u32 k = s.first_reduction, end = s.first_reduction + s.num_reductions; k < end; k++) {
            const StateReduction& reduction = recognizer_->states.reduction(k);
            const TerminalSet after = terminals & reduction.lookaheads;
            if (after.empty()) continue;
            const NodeId to = forest_->reduce(at, reduction.reduction);
            if (to != 0) add(to, after);
        }
    }
}

u64 MaskEvaluator::shallow_key(FunctionId f, u32 valid, StateId state, const TerminalSet& terminals) {
    u64 key = hash_combine(static_cast<u64>(f) << 32 | valid, state);
    for (u64 w : terminals.words) key = hash_combine(key, w);
    return key >> 1;
}

const MaskEvaluator::Shallow& MaskEvaluator::shallow(FunctionId f, u32 valid, NodeId node, const TerminalSet& terminals,
                                                     u64 key) {
    const StateId state = (*forest_)[node].state;
    for (;; key = mix64(key) >> 1) {
        const u32 id = shallow_ids_.get(key);
        if (id == kNone) break;
        const Shallow& s = shallows_[id];
        if (s.function == f && s.valid == valid && s.state == state && s.terminals == terminals) return s;
    }
    statistics.shallows++;
    const Function fn = functions_[f];
    const TerminalSet keywords = forest_->valid_of(valid).keywords;
    const std::size_t first_id = ids_.size(), first_ref = refs_.size();
    std::vector<Deep> deep;
    struct Target {
        StateId state;
        std::vector<u32> completions;
    };
    std::vector<Target> targets;
    const std::size_t num_completions = (*splits_)[fn.split].completions.size();
    const u32 first_completion = (*splits_)[fn.split].first_completion;
    for (u32 i = 0; i < num_completions; i++) {
        const Completion c = (*splits_)[fn.split].completions[i];
        const u16 terminal = c.keyword != kNoSymbol && keywords.has(c.keyword) ? c.keyword : c.terminal;
        if (!terminals.has(terminal)) continue;
        const Cell& cell = recognizer_->language->table.cell(recognizer_->states[state].lr,
                                                             recognizer_->states.base_terminal(terminal));
        if (cell.is_extra) {
            deep.push_back({i, kNone, 0, true});
            continue;
        }
        const StateId target = recognizer_->states.shift(state, terminal);
        if (target == kNone) continue;
        if (c.reread != 0 || recognizer_->states[target].ends_extra) {
            deep.push_back({i, kNone, target, false});
            continue;
        }
        const auto same = std::find_if(targets.begin(), targets.end(), [&](const Target& t) { return t.state == target; });
        if (same == targets.end()) targets.push_back({target, {i}});
        else same->completions.push_back(i);
    }
    for (const Target& target : targets) {
        const RefinedState t = recognizer_->states[target.state];
        FunctionId child;
        if (target.completions.size() == 1) {
            const u32 i = target.completions[0];
            child = child_function(first_completion + i, t.mode, (*splits_)[fn.split].completions[i].rests);
        } else {  // several terminals lead to one state (true, false, 1, ...): their rests are one question
            std::vector<SuffixId> rests;
            for (u32 i : target.completions) rests.push_back((*splits_)[fn.split].completions[i].rests);
            child = function_at(recognizer_->fresh_config(t.mode), splits_->unite(rests), t.mode);
        }
        if (t.default_reduction < 0 && !functions_[child].has_lines) {
            const NodeId z = forest_->push(node, target.state);
            const u32 outer = forest_->lowest_read;
            forest_->lowest_read = (*forest_)[z].depth;
            const RecordId r = evaluate(child, z, 1, Line{0, 0, 0});
            const bool only_the_state = forest_->lowest_read >= (*forest_)[z].depth;
            forest_->lowest_read = outer;
            if (only_the_state) {
                add_record(r);
                continue;
            }
        }
        deep.push_back({target.completions[0], child, target.state, false});
    }
    Shallow s{f, valid, state, terminals, make_record(first_id, first_ref), static_cast<u32>(deeps_.size()), static_cast<u32>(deep.size())};
    deeps_.insert(deeps_.end(), deep.begin(), deep.end());
    shallows_.push_back(s);
    shallow_ids_.put(key, static_cast<u32>(shallows_.size() - 1));
    return shallows_.back();
}

MaskEvaluator::Reread MaskEvaluator::reread(ModeId mode, TextId text_id) {
    const u64 key = static_cast<u64>(text_id) << 16 | mode;
    const u32 known = reread_ids_.get(key);
    if (known != kNone) return rereads_[known];
    Reread r;
    const std::string text = splits_->text(text_id);
    LexState s = recognizer_->lexer.start(mode);
    LexOutcome o;
    const auto size = static_cast<u32>(text.size());
    for (u32 i = 0; i < size && o.event == LexEvent::kAlive; i++) o = recognizer_->lexer.push(s, static_cast<u8>(text[i]), i);
    switch (o.event) {
        case LexEvent::kAlive: {
            const u32 complete = s.missing != 0 ? s.char_start : size;
            const u32 lag = s.accepted != kNoSymbol ? s.accept_end : complete;
            r.kind = Reread::kOpen;
            r.config = recognizer_->config_of(s, std::string_view(text).substr(lag, complete - lag), std::string_view(text).substr(complete));
            break;
        }
        case LexEvent::kLexeme:
            r.kind = Reread::kLexeme;
            r.terminal = o.terminal;
            r.keyword = o.keyword;
            r.rest = splits_->intern_text(text.substr(o.end));
            break;
        case LexEvent::kResolve:
            r.kind = Reread::kResolve;
            r.crossed = o.crossed_newline;
            r.column = s.column;
            r.alt_column = s.alt_column;
            r.rest = splits_->intern_text(text.substr(o.end));
            break;
        case LexEvent::kDead: break;
    }
    reread_ids_.put(key, static_cast<u32>(rereads_.size()));
    rereads_.push_back(r);
    return r;
}

// Goes on after a lexeme: first the bytes that have to be read again, then the rests of the tokens.
void MaskEvaluator::descend(NodeId node, ModeId mode, TextId text, SuffixId rests, u32 completion_number, u32 depth, const Line& line) {
    if (depth > 256) {
        statistics.overflows++;
        return;
    }
    if (text == 0) {
        const FunctionId f = completion_number != kNone ? child_function(completion_number, mode, rests)
                                                        : function_at(recognizer_->fresh_config(mode), rests, mode);
        evaluate_into(f, forest_->normal(node), depth, line);
        return;
    }
    const Reread r = reread(mode, text);
    if (r.kind == Reread::kDead) return;
    if (r.kind == Reread::kOpen) {
        evaluate_into(function_at(r.config, rests, mode), forest_->normal(node), depth, line);
        return;
    }
    if (r.kind == Reread::kResolve) {
        std::vector<Recognizer::Resolved> resolved;
        recognizer_->resolve(node, line.indent, r.column, r.alt_column, r.crossed, resolved);
        for (const auto& z : resolved) descend(z.node, forest_->state(z.node).mode, r.rest, rests, kNone, depth + 1, Line{z.indent, 0, 0});
        return;
    }
    const u32 terminal = forest_->effective(node, r.terminal, r.keyword);
    if (!forest_->valid(node).has(terminal)) return;
    std::vector<NodeId> stepped;
    forest_->step(node, terminal, stepped);
    for (const NodeId z : stepped)
        descend(z, z == node ? mode : forest_->state(z).mode, r.rest, rests, kNone, depth + 1, line);
}

// Completions at a line start: indentation decides which stack the rest is read on.
void MaskEvaluator::resolve_lines(FunctionId f, NodeId node, u32 depth, const Line& line) {
    const SplitId split = functions_[f].split;
    std::vector<Recognizer::Resolved> resolved;
    for (std::size_t i = 0; i < (*splits_)[split].resolves.size(); i++) {
        const LineResolve l = (*splits_)[split].resolves[i];
        u32 column = l.new_line ? 0 : line.column, alt_column = l.new_line ? 0 : line.alt_column;
        for (char c : splits_->text(l.blanks)) {
            column = c == ' ' ? column + 1 : c == '\t' ? (column / 8 + 1) * 8 : 0;
            alt_column = c == '\f' ? 0 : alt_column + 1;
        }
        resolved.clear();
        recognizer_->resolve(node, line.indent, column, alt_column, l.crossed_newline, resolved);
        for (const auto& z : resolved) descend(z.node, forest_->state(z.node).mode, l.reread, l.rests, kNone, depth + 1, Line{z.indent, 0, 0});
    }
}

// ---- whole masks

const u64* MaskEvaluator::mask_of(RecordId r, u64* words) {
    const u32 known = masks_of_record_.get(r);
    if (known != kNone) {
        statistics.mask_hits++;
        return masks_[known].data();
    }
    apply({r}, words);
    for (u64 key = hash_words(words, num_words_) >> 1;; key = mix64(key) >> 1) {
        const u32 id = mask_ids_.get(key);
        if (id == kNone) {
            if (masks_.size() >= kMaxMasks) return words;
            masks_.emplace_back(words, words + num_words_);
            mask_ids_.put(key, static_cast<u32>(masks_.size() - 1));
            masks_of_record_.put(r, static_cast<u32>(masks_.size() - 1));
            return words;
        }
        if (std::memcmp(masks_[id].data(), words, num_words_ * 8) == 0) {
            masks_of_record_.put(r, id);
            return words;
        }
    }
}

void MaskEvaluator::fill(const std::vector<Thread>& threads, u64* words, void* row, std::size_t num_bytes) {
    statistics.fills++;
    std::vector<RecordId> parts;
    bool is_stored = true;
    for (const Thread& t : threads) {
        const LexConfig& c = recognizer_->config(t.config);
        ConfigId config = t.config;
        const Line line{t.indent, c.lex.column, c.lex.alt_column};
        if (c.lex.column != 0 || c.lex.alt_column != 0) {  // columns stay out of the keys
            LexState canonical = c.lex;
            canonical.column = canonical.alt_column = 0;
            const std::string lag = c.lag, partial = c.partial;
            config = recognizer_->config_of(canonical, lag, partial);
        }
        const FunctionId f = function_at(config, splits_->whole_vocabulary(), forest_->state(t.node).mode);
        forest_->lowest_read = (*forest_)[t.node].depth;
        is_stored = functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines;
        parts.push_back(evaluate(f, forest_->normal(t.node), 0, line));
    }
    if (parts.size() == 1) {
        RecordId r = parts[0];
        // Results at line starts are made anew each time, from stored parts; equal parts are the same record.
        const Record& q = records_[r];
        if (q.num_ids + q.num_refs <= 64) {
            u64 key = q.num_ids;
            for (u32 i = 0; i < q.num_ids + q.num_refs; i++) key = hash_combine(key, arena_[q.offset + i]);
            key >>= 1;
            const u32 same = top_records_.get(key);
            if (same == kNone) top_records_.put(key, r);
            else if (records_[same].num_ids == q.num_ids && records_[same].num_refs == q.num_refs &&
                     std::equal(arena_.begin() + q.offset, arena_.begin() + q.offset + q.num_ids + q.num_refs,
                                arena_.begin() + records_[same].offset)) {
                if (!is_stored && same != r && r + 1 == records_.size()) {
                    arena_.resize(q.offset);
                    records_.pop_back();
                }
                r = same;
            }
        }
        std::memcpy(row, mask_of(r, words), num_bytes);
        return;
    }
    apply(parts, words);
    std::memcpy(row, words, num_bytes);
}

}  // namespace codefusion
