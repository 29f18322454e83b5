#include "states.h"

#include <algorithm>
#include <map>

namespace codefusion {

StateTable::StateTable(const ParseTable* t, const RuleTables* r, const std::vector<u32>* state_flags)
    : table(t), rules(r), num_terminals_all(t->num_terminals + static_cast<u32>(r->pseudo_base.size())),
      bad(static_cast<u16>(num_terminals_all - 1)), contexts_(r, num_terminals_all), state_flags_(state_flags) {
    if (r->pseudo_base.empty()) throw GrammarError("expected at least the pseudo-terminal 'bad'");
    if (num_terminals_all > TerminalSet::kCapacity)
        throw GrammarError("expected at most " + std::to_string(TerminalSet::kCapacity) + " terminals, got " +
                           std::to_string(num_terminals_all));
    for (const u16 terminal : r->line_ends) line_ends.add(terminal);
    for (const u16 terminal : r->line_comments) comments.add(terminal);
    plain_.resize(t->num_states);
    for (u32 y = 0; y < t->num_terminals; y++)
        if (t->is_extra(y)) extras_.add(y);
}

void StateTable::add_word_flags(std::vector<u32>& flags, const ParseTable& table, const RuleTables& rules) {
    if (rules.word_places.empty()) return;
    flags.resize(table.num_states);
    std::vector<bool> behind_mark(table.num_states);
    for (u32 s = 1; s < table.num_states; s++)
        for (const u16 mark : rules.word_marks)
            if (const u16 to = table.cell(s, mark).shift; to != kNoSymbol) behind_mark[to] = true;
    for (u32 s = 1; s < table.num_states; s++) {
        const Cell& name = table.cell(s, table.keyword_capture);
        const bool begins = std::any_of(rules.word_places.begin(), rules.word_places.end(),
                                        [&](u16 place) { return table.go_to(s, place) != 0; });
        // Where a name is no lexeme to shift yet, the state behind the reductions knows.
        if (name.shift == kNoSymbol || name.num_reductions != 0 || begins || behind_mark[s]) flags[s] |= kWordsAreNames;
    }
}

const StateTable::Plain& StateTable::plain(u16 lr) {
    if (plain_[lr]) return *plain_[lr];
    auto p = std::make_unique<Plain>();
    std::map<u16, TerminalSet> by_reduction;
    bool shifts_something = false, extra_reduces = false;
    for (u32 y = 0; y < table->num_terminals; y++) {
        const Cell& c = table->cell(lr, y);
        TerminalSet variants;  // what the scanner may emit for this terminal
        for (u32 i = 0; i < rules->pseudo_base.size(); i++)
            if (rules->pseudo_base[i] == y) variants.add(table->num_terminals + i);
        if (variants.empty() || y == rules->named) variants.add(y);
        if (c.shift != kNoSymbol || c.is_extra) {
            p->shifts.unite(variants);
            shifts_something |= !c.is_extra;
        }
        for (u32 i = 0; i < c.num_reductions; i++) by_reduction[table->cell_reductions[c.first_reduction + i]].unite(variants);
        extra_reduces |= c.num_reductions != 0 && extras_.has(y);
        shifts_something |= c.accepts != 0;
    }
    for (const auto& [reduction, lookaheads] : by_reduction) p->reductions.push_back({reduction, lookaheads});
    // Extras are shifted in every state, so a state that only reduces may do so before the lookahead is known.
    if (p->reductions.size() == 1 && !shifts_something && !extra_reduces)
        p->default_reduction = p->reductions[0].reduction;
    plain_[lr] = std::move(p);
    return *plain_[lr];
}

ModeId StateTable::mode_for(LexMode lex, u32 flags) {
    const u64 key = static_cast<u64>(lex.lex_state) << 48 | static_cast<u64>(lex.external_set) << 32 |
                    static_cast<u64>(lex.reserved_set) << 16 | (flags & 0xffff);
    u32 id = mode_ids_.get(key);
    if (id == kNone) {
        id = static_cast<u32>(modes_.size());
        if (id >= 0xffff) throw GrammarError("too many lexer modes");
        Mode m{lex, flags, table->reserved_words(lex.reserved_set)};
        if ((flags & kWordsAreNames) == 0)
            for (u16 w : rules->reserved) m.reserved.add(w);
        modes_.push_back(m);
        mode_ids_.put(key, id);
    }
    return static_cast<ModeId>(id);
}

ContextId StateTable::merged(u16 lr, ContextId context) {
    std::u16string states = contexts_.states(context);
    for (std::size_t i = 0; i < states.size(); i++) {
        const u32 to = rules->rules[i].merged_ids.get(static_cast<u64>(lr) * rules->rules[i].num_states + static_cast<u16>(states[i]));
        if (to != kNone) states[i] = static_cast<char16_t>(to);
    }
    return contexts_.intern(states);
}

StateId StateTable::intern(u16 lr, ContextId context) {
    const u64 key = static_cast<u64>(context) << 16 | lr;
    u32 id = ids_.get(key);
    if (id != kNone) return id;
    if (const ContextId same = merged(lr, context); same != context) {
        id = intern(lr, same);
        ids_.put(key, id);
        return id;
    }
    id = static_cast<u32>(states_.size());
    RefinedState s;
    s.lr = lr;
    s.context = context;
    LexMode lex = table->lex_modes[lr];
    const auto may_stand = [&](u16 t) { return table->cell(lr, t).shift != kNoSymbol || table->cell(lr, t).num_reductions > 0; };
    const auto& free = rules->unreserved;
    if (!free.empty() && std::all_of(free.begin(), free.end(), may_stand)) lex.reserved_set = 0;
    s.mode = mode_for(lex, contexts_.lex_flags(context) | (state_flags_->empty() ? 0 : (*state_flags_)[lr]));
    const Plain& p = plain(lr);
    s.grammar_shifts = p.shifts;
    for (u32 y = 0; y < num_terminals_all; y++) {
        if (!p.shifts.has(y)) continue;
        if (contexts_.shift(context, y) != kNone) s.shifts.add(y);
    }
    // Where reductions come first, the stack decides: StackForest::valid_id.
    if (p.reductions.empty() && is_in_line(s.mode) && !s.shifts.meets(line_ends)) s.shifts.subtract(comments);
    s.first_reduction = static_cast<u32>(reductions_.size());
    s.num_reductions = static_cast<u32>(p.reductions.size());
    reductions_.insert(reductions_.end(), p.reductions.begin(), p.reductions.end());
    s.default_reduction = p.default_reduction;
    s.ends_extra = table->lex_modes[lr].lex_state == 0xffff;
    if (contexts_.size() >= 1u << 23) throw GrammarError("too many rule contexts");
    states_.push_back(s);
    ids_.put(key, id);
    return id;
}

StateId StateTable::shift(StateId s, u32 terminal) {
    const u64 key = static_cast<u64>(s) << 16 | terminal;
    u32 to = shifts_.get(key);
    if (to != kNone) return to == kNone - 1 ? kNone : to;
    const Cell& c = table->cell(states_[s].lr, base_terminal(terminal));
    to = kNone;
    if (c.shift != kNoSymbol) {
        const ContextId context = contexts_.shift(states_[s].context, terminal);
        if (context != kNone) to = intern(c.shift, context);
    }
    shifts_.put(key, to == kNone ? kNone - 1 : to);
    return to;
}

ContextId StateTable::reduced(ContextId below, u32 nonterminal, ContextId top) {
    const u64 key = static_cast<u64>(below) << 40 | static_cast<u64>(top) << 16 | nonterminal;
    u32 to = reduced_.get(key);
    if (to == kNone) {
        to = contexts_.reduce(below, nonterminal, top);
        reduced_.put(key, to == kNone ? kNone - 1 : to);
    }
    return to == kNone - 1 ? kNone : to;
}

StateId StateTable::go_to_context(StateId below, u32 nonterminal, ContextId context) {
    const u16 lr = table->go_to(states_[below].lr, nonterminal);
    if (lr == 0) return kNone;
    const ContextId b = states_[below].context;
    const ContextId to = reduced(b, nonterminal, context == kNone ? b : context);
    return to == kNone ? kNone : intern(lr, to);
}

void StateTable::save(Writer& w) const {
    w.value<u64>(contexts_.size());
    for (ContextId c = 0; c < contexts_.size(); c++) w.array(contexts_.states(c));
    w.array(states_);
    w.array(reductions_);
}

void StateTable::load(Reader& r) {
    const auto check = [](bool fits) {
        if (!fits) throw GrammarError("the artefact's parser states belong to another grammar");
    };
    check(states_.empty());
    const u64 num_contexts = r.value<u64>();
    for (u64 i = 0; i < num_contexts; i++) {
        std::u16string states;
        r.array(states);
        check(states.size() == rules->rules.size());
        for (std::size_t k = 0; k < states.size(); k++) check(static_cast<u16>(states[k]) < rules->rules[k].num_states);
        check(contexts_.intern(states) == i);
    }
    r.array(states_);
    r.array(reductions_);
    for (const StateReduction& reduction : reductions_) check(reduction.reduction < table->reductions.size());
    for (StateId i = 0; i < states_.size(); i++) {
        const RefinedState& s = states_[i];
        check(s.lr < table->num_states && s.mode < modes_.size() && s.context < num_contexts);
        check(s.default_reduction < static_cast<int>(table->reductions.size()));
        check(s.first_reduction <= reductions_.size() && s.num_reductions <= reductions_.size() - s.first_reduction);
        ids_.put(static_cast<u64>(s.context) << 16 | s.lr, i);
    }
}

}  // namespace codefusion
