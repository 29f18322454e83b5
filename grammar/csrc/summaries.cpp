#include "summaries.h"

#include <algorithm>

namespace codefusion {
namespace {

constexpr u32 kMaxDepth = 256;     // lexemes of one token that are followed without the stack
constexpr u32 kMaxPending = 1024;  // functions above one state, likewise

}  // namespace

Summaries::Summaries(Recognizer* recognizer, TokenSplits* splits, Functions* functions, Records* records)
    : recognizer_(recognizer), splits_(splits), functions_(functions), records_(records) {}

u64 Summaries::key_of(FunctionId f, u32 keywords, StateId state, const TerminalSet& terminals) {
    u64 key = hash_combine(static_cast<u64>(f) << 32 | keywords, state);
    for (u64 w : terminals.words) key = hash_combine(key, w);
    return key >> 1;
}

Summaries::Summary Summaries::completions(FunctionId f, u32 keywords, u32 valid, StateId state, const TerminalSet& terminals,
                                          u64 key) {
    for (;; key = mix64(key) >> 1) {
        const u32 id = completion_ids_.get(key);
        if (id == kNone) break;
        const Known& k = known_[id];
        if (k.function == f && k.keywords == keywords && k.state == state && k.terminals == terminals) return k.summary;
    }
    const Records::Mark mark = records_->mark();
    Work work;
    complete(f, recognizer_->forest.valid_of(valid).keywords, state, terminals, work);
    settle(state, work, 0);
    const Summary made = store(mark, work);
    known_.push_back({f, keywords, state, terminals, made});
    completion_ids_.put(key, static_cast<u32>(known_.size() - 1));
    return made;
}

// The function on a stack with this state on top, whatever is below.
Summaries::Summary Summaries::whole(FunctionId f, StateId state, u32 depth) {
    const u64 key = static_cast<u64>(f) << 32 | state;
    const u32 known = whole_ids_.get(key);
    if (known != kNone && known != kInProgress) return wholes_[known];
    const Records::Mark mark = records_->mark();
    Work work;
    const Function fn = (*functions_)[f];
    const RefinedState s = recognizer_->states[state];
    if (known == kInProgress || depth > kMaxDepth || fn.resolves || s.ends_extra) {
        leave(work, f, {});
        return store(mark, work);
    }
    whole_ids_.put(key, kInProgress);
    StackForest& forest = recognizer_->forest;
    StackForest::Valid valid = forest.valid_before_reductions(state);
    TerminalSet inside = fn.inside, completed = fn.completed;
    const TerminalSet open = uncertain(fn, state);
    leave(work, functions_->restricted(f, {}, open), {});
    completed.subtract(open);
    if (comments_depend(state)) {
        // Where a comment may stand a line may end; so what may become either needs no answer about comments.
        const TerminalSet& comments = recognizer_->states.comments;
        if (!functions_->implied(f, comments, recognizer_->states.line_ends)) leave(work, functions_->restricted(f, comments, {}), {});
        inside.subtract(comments);
    }
    const FunctionId here = functions_->restricted(f, inside, {});
    if (here != kNone) records_->add_record(functions_->base(here, forest.intern_valid({valid.terminals, {}})));
    complete(f, valid.keywords, state, valid.terminals & completed, work);
    for (u32 k = s.first_reduction; k < s.first_reduction + s.num_reductions; k++) {
        const StateReduction reduction = recognizer_->states.reduction(k);
        const FunctionId g = functions_->restricted(f, inside & reduction.lookaheads, completed & reduction.lookaheads);
        if (g == kNone) continue;
        const Reduction& r = recognizer_->states.table->reductions[reduction.reduction];
        const ContextId context = recognizer_->states.context_read(r.nonterminal, state);
        if (r.child_count == 0) {
            const StateId to = recognizer_->states.go_to_context(state, r.nonterminal, context);
            if (to != kNone) work.pending.push_back({to, g});
        } else {
            work.exits.push_back({{g, r.child_count, r.nonterminal, false, context, 0, 0, 0}, {}});
        }
    }
    settle(state, work, depth);
    const Summary made = store(mark, work);
    wholes_.push_back(made);
    whole_ids_.put(key, static_cast<u32>(wholes_.size() - 1));
    return made;
}

// Completed terminals of which the state alone does not tell what they do.
TerminalSet Summaries::uncertain(const Function& f, StateId state) {
    StateTable& states = recognizer_->states;
    const RefinedState s = states[state];
    TerminalSet open;
    for (const Completion& c : (*splits_)[f.split].completions) {
        for (const u16 terminal : {c.terminal, c.keyword}) {
            if (terminal == kNoSymbol || terminal == states.bad || !f.completed.has(terminal)) continue;
            // A word that the states below may know as a keyword.
            if (c.keyword != kNoSymbol && s.num_reductions != 0) open.add(terminal);
            const Cell& cell = states.table->cell(s.lr, states.base_terminal(terminal));
            const StateId target = cell.is_extra || cell.shift == kNoSymbol ? kNone : states.shift(state, terminal);
            if (cell.is_extra || c.reread != 0 || (target != kNone && states[target].ends_extra)) open.add(terminal);
        }
    }
    return open;
}

// Whether reductions decide if the line may end here, and with it if a comment that ends its line may stand.
bool Summaries::comments_depend(StateId state) const {
    const StateTable& states = recognizer_->states;
    const RefinedState& s = states[state];
    if (s.num_reductions == 0 || !states.is_in_line(s.mode)) return false;
    bool read = !s.shifts.meets(states.line_ends);
    for (u32 k = s.first_reduction; k < s.first_reduction + s.num_reductions; k++)
        read |= states.reduction(k).lookaheads.meets(states.comments);
    return read;
}

// Shifts the completed terminals; what is left of the tokens is pending above the state.
void Summaries::complete(FunctionId f, TerminalSet keywords, StateId state, const TerminalSet& terminals, Work& work) {
    if (terminals.empty()) return;
    const Function fn = (*functions_)[f];
    const std::size_t num_completions = (*splits_)[fn.split].completions.size();
    const u32 first_completion = (*splits_)[fn.split].first_completion;
    for (u32 i = 0; i < num_completions; i++) {
        const Completion c = (*splits_)[fn.split].completions[i];
        const u16 terminal = c.keyword != kNoSymbol && keywords.has(c.keyword) ? c.keyword : c.terminal;
        if (!terminals.has(terminal)) continue;
        const StateTable& states = recognizer_->states;
        if (states.table->cell(states[state].lr, states.base_terminal(terminal)).is_extra) {
            work.exits.push_back({{kNone, 0, 0, true, 0, 0, 0, i}, {}});
            continue;
        }
        const StateId target = recognizer_->states.shift(state, terminal);
        if (target == kNone) continue;
        if (c.reread != 0 || recognizer_->states[target].ends_extra) {
            work.exits.push_back({{kNone, 0, 0, false, 0, 0, 0, i}, {target}});
            continue;
        }
        work.pending.push_back({target, functions_->child(first_completion + i, recognizer_->states[target].mode, c.rests)});
    }
}

// Follows what is pending above the state until it is settled or has left.
void Summaries::settle(StateId state, Work& work, u32 depth) {
    std::vector<Pending> done;
    while (!work.pending.empty()) {
        // Everything at one place is one question.
        const Pending first = work.pending.front();
        const Function fn = (*functions_)[first.function];
        std::vector<FunctionId> together;
        std::vector<Pending> rest;
        for (const Pending& p : work.pending) {
            const Function& other = (*functions_)[p.function];
            const bool joins = p.state == first.state && other.mode == fn.mode && other.filter == fn.filter && other.config == fn.config;
            if (!joins) rest.push_back(p);
            else if (std::find(together.begin(), together.end(), p.function) == together.end()) together.push_back(p.function);
        }
        work.pending.swap(rest);
        const Pending at{first.state, together.size() == 1 ? first.function : functions_->united(together)};
        const auto is_done = [&](const Pending& p) { return p.state == at.state && p.function == at.function; };
        if (std::any_of(done.begin(), done.end(), is_done)) continue;
        done.push_back(at);
        if (done.size() > kMaxPending) {
            leave(work, at.function, {at.state});
            continue;
        }
        const Summary s = whole(at.function, at.state, depth + 1);
        records_->add_record(s.record);
        for (u32 i = 0; i < s.num_exits; i++) {
            const Exit e = exits_[s.first_exit + i];
            if (e.pops == 0) {
                std::vector<StateId> path{at.state};
                path.insert(path.end(), paths_.begin() + e.path, paths_.begin() + e.path + e.path_size);
                leave(work, e.function, std::move(path));
            } else if (e.pops == 1) {
                const StateId to = recognizer_->states.go_to_context(state, e.nonterminal, e.context);
                if (to != kNone) work.pending.push_back({to, e.function});
            } else {
                Exit further = e;
                further.pops--;
                work.exits.push_back({further, {}});
            }
        }
    }
}

void Summaries::leave(Work& work, FunctionId f, std::vector<StateId> path) {
    if (f == kNone) return;
    work.exits.push_back({{f, 0, 0, false, 0, 0, 0, 0}, std::move(path)});
}

// Exits that lead to one place become one.
void Summaries::merge(std::vector<Gathered>& exits) {
    std::vector<Gathered> merged;
    std::vector<std::vector<FunctionId>> functions;
    for (Gathered& g : exits) {
        std::size_t i = 0;
        for (; i < merged.size(); i++) {
            const Exit &a = merged[i].exit, &b = g.exit;
            if (a.function == kNone || b.function == kNone || a.pops != b.pops || a.nonterminal != b.nonterminal ||
                a.context != b.context || merged[i].path != g.path)
                continue;
            const Function &f = (*functions_)[a.function], &o = (*functions_)[b.function];
            if (f.mode == o.mode && f.filter == o.filter && f.config == o.config) break;
        }
        if (i == merged.size()) {
            functions.push_back({g.exit.function});
            merged.push_back(std::move(g));
        } else if (std::find(functions[i].begin(), functions[i].end(), g.exit.function) == functions[i].end()) {
            functions[i].push_back(g.exit.function);
        }
    }
    for (std::size_t i = 0; i < merged.size(); i++)
        if (functions[i].size() > 1) merged[i].exit.function = functions_->united(functions[i]);
    exits.swap(merged);
}

Summaries::Summary Summaries::store(const Records::Mark& mark, Work& work) {
    num_made++;
    merge(work.exits);
    const Summary s{records_->make(mark), static_cast<u32>(exits_.size()), static_cast<u32>(work.exits.size())};
    for (Gathered& g : work.exits) {
        g.exit.path = static_cast<u32>(paths_.size());
        g.exit.path_size = static_cast<u32>(g.path.size());
        paths_.insert(paths_.end(), g.path.begin(), g.path.end());
        exits_.push_back(g.exit);
    }
    return s;
}

void Summaries::clear() {
    whole_ids_.clear();
    completion_ids_.clear();
    wholes_.clear();
    Array<Known>().swap(known_);
    Array<Exit>().swap(exits_);
    Array<StateId>().swap(paths_);
}

void Summaries::copy_records() {
    for (Summary& s : wholes_) s.record = records_->copied(s.record);
    for (Known& k : known_) k.summary.record = records_->copied(k.summary.record);
}

void Summaries::save(Writer& w) {
    std::vector<SavedWhole> wholes;
    whole_ids_.for_each([&](u64 key, u32 id) {
        const Summary& s = wholes_[id];
        wholes.push_back({key, {records_->copied(s.record), s.first_exit, s.num_exits}, 0});
    });
    w.array(wholes);
    std::vector<Known> known(known_.begin(), known_.end());
    for (Known& k : known) k.summary.record = records_->copied(k.summary.record);
    w.array(known);
    w.array(exits_);
    w.array(paths_);
}

void Summaries::load(Reader& r) {
    std::vector<SavedWhole> wholes;
    r.array(wholes);
    r.array(known_);
    r.array(exits_);
    r.array(paths_);
    const std::size_t num_states = recognizer_->states.size();
    const auto check = [](bool fits) {
        if (!fits) throw GrammarError("the artefact's summaries do not fit together");
    };
    const auto check_summary = [&](const Summary& s) {
        check(s.record < records_->size() && s.first_exit <= exits_.size() && s.num_exits <= exits_.size() - s.first_exit);
    };
    for (const SavedWhole& s : wholes) {
        check_summary(s.summary);
        check(s.key >> 32 < functions_->size() && (s.key & 0xffffffff) < num_states);
        whole_ids_.put(s.key, static_cast<u32>(wholes_.size()));
        wholes_.push_back(s.summary);
    }
    for (u32 i = 0; i < known_.size(); i++) {
        const Known& k = known_[i];
        check_summary(k.summary);
        check(k.function < functions_->size() && k.state < num_states);
        // The exits of a completion name it within the split of its function.
        const std::size_t completions = (*splits_)[(*functions_)[k.function].split].completions.size();
        for (u32 e = 0; e < k.summary.num_exits; e++) {
            const Exit& exit = exits_[k.summary.first_exit + e];
            check(exit.function != kNone || exit.completion < completions);
        }
        u64 key = key_of(k.function, k.keywords, k.state, k.terminals);
        while (completion_ids_.get(key) != kNone) key = mix64(key) >> 1;
        completion_ids_.put(key, i);
    }
    const StateTable& states = recognizer_->states;
    for (const Exit& e : exits_) {
        check(e.function == kNone || e.function < functions_->size());
        check(e.pops == 0 || (e.nonterminal >= states.table->num_terminals && e.nonterminal < states.table->num_symbols));
        check(e.context == kNone || e.context < states.num_contexts());
        check(e.path <= paths_.size() && e.path_size <= paths_.size() - e.path);
    }
    for (const StateId s : paths_) check(s < num_states);
}

std::size_t Summaries::bytes() const {
    return whole_ids_.bytes() + completion_ids_.bytes() + wholes_.size() * sizeof(Summary) + known_.size() * sizeof(Known) +
           exits_.size() * sizeof(Exit) + paths_.size() * sizeof(StateId);
}

}  // namespace codefusion
