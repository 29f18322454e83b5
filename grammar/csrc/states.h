// Refined parser states: an LR state together with the rule context that rides on it.
#pragma once
#include <memory>

#include "parse_table.h"
#include "rules.h"
#include "serialize.h"

namespace codefusion {

using StateId = u32;
using ModeId = u16;

// How lexing starts in a refined state.
struct Mode {
    LexMode lex;
    u32 flags;  // what the rules tell the scanner, and what it wants to know of the LR state
    TerminalSet reserved;
};

struct RefinedState {
    u16 lr;
    ModeId mode;
    ContextId context;
    TerminalSet shifts;             // terminals that can be shifted here, after the rules
    TerminalSet grammar_shifts;     // before the rules
    u32 first_reduction = 0, num_reductions = 0;  // into StateTable::reductions
    int default_reduction = -1;     // the only thing this state can do, whatever follows
    bool ends_extra = false;        // reduce before lexing (end of a non-terminal extra)
};

struct StateReduction {
    u16 reduction;                  // index into ParseTable::reductions
    TerminalSet lookaheads;
};

// All refined states met so far. Grows while texts are read; not thread-safe (the engine's lock covers it).
class StateTable {
public:
    StateTable(const ParseTable* table, const RuleTables* rules, const std::vector<u32>* state_flags);

    const RefinedState& operator[](StateId s) const { return states_[s]; }
    const Mode& mode(ModeId m) const { return modes_[m]; }
    const StateReduction& reduction(u32 i) const { return reductions_[i]; }
    StateId start(u32 top = 0) { return intern(1, contexts_.start(top)); }  // tree-sitter starts in LR state 1
    StateId shift(StateId s, u32 terminal);                           // kNone: cannot
    StateId go_to(StateId below, u32 nonterminal, StateId top) {      // kNone: rejected
        return go_to_context(below, nonterminal, context_read(nonterminal, top));
    }
    // The same in two steps, the first of which needs no more than the state on top.
    ContextId context_read(u32 nonterminal, StateId top) const { return contexts_.reads_top(nonterminal) ? states_[top].context : kNone; }
    StateId go_to_context(StateId below, u32 nonterminal, ContextId context);
    u32 base_terminal(u32 t) const { return t < table->num_terminals ? t : rules->pseudo_base[t - table->num_terminals]; }
    std::size_t size() const { return states_.size(); }
    void restore_mode(LexMode lex, u32 flags) { mode_for(lex, flags); }  // artefacts number modes
    // States and rule contexts, by number. Into a table that has its modes and nothing else.
    void save(Writer& w) const;
    void load(Reader& r);
    std::size_t num_modes() const { return modes_.size(); }
    std::size_t num_contexts() const { return contexts_.size(); }
    const RuleContexts& contexts() const { return contexts_; }

    const ParseTable* table;
    const RuleTables* rules;
    u32 num_terminals_all;
    TerminalSet keywords;            // terminals that the keyword lexer finds
    // Where a line break means something, comments that end their line may stand only where a line end may, too.
    TerminalSet line_ends, comments;
    bool is_in_line(ModeId m) const {
        return rules->in_line_flag == 0 ? modes_[m].flags == 0 : (modes_[m].flags & rules->in_line_flag) != 0;
    }
    u16 bad;                         // the pseudo-terminal of refused lexemes

    // Adds to a language's flags by LR state where reserved words are names.
    static void add_word_flags(std::vector<u32>& flags, const ParseTable& table, const RuleTables& rules);

private:
    StateId intern(u16 lr, ContextId context);
    ContextId merged(u16 lr, ContextId context);
    ModeId mode_for(LexMode lex, u32 flags);

    RuleContexts contexts_;
    std::vector<RefinedState> states_;
    std::vector<StateReduction> reductions_;
    std::vector<Mode> modes_;
    static constexpr u32 kWordsAreNames = 1u << 15;  // of a mode
    const std::vector<u32>* state_flags_;  // of the modes, by LR state; empty: none
    // What depends on the LR state alone, made once: terminals shifted, reductions with their lookaheads.
    struct Plain {
        TerminalSet shifts;
        std::vector<StateReduction> reductions;
        int default_reduction = -1;
    };
    std::vector<std::unique_ptr<Plain>> plain_;
    const Plain& plain(u16 lr);
    ContextId reduced(ContextId below, u32 nonterminal, ContextId top);
    Table ids_, shifts_, reduced_, mode_ids_;
    TerminalSet extras_;
};

}  // namespace codefusion
