// What the language's own parser refuses and tree-sitter lets through: finite automata that ride the parser's stack.
//
//     stack      module   "def"   name   "("  ...          every node carries the state of every rule: its context;
//     context      c0      c1      c2     c3               popping the stack brings the outer context back
#pragma once
#include <unordered_map>

#include "automaton.h"

namespace codefusion {

struct StackRule {
    static constexpr u16 kReject = 0xffff;
    std::string name;
    u32 num_states = 0;
    std::vector<u16> shift;                              // [state * num_terminals_all + terminal]
    std::unordered_map<u32, std::vector<u16>> reduce;    // nonterminal -> [state(below) * num_states + state(top)]
    std::vector<u16> settle;                             // [state(below)], for every other nonterminal
    std::vector<u32> lex_flags;                          // by state: bits for the scanner
    std::vector<u16> tops;                               // other states to start from, by level - 1
    std::vector<u16> merged;                             // see merging.h; empty: no state is merged
    Table merged_ids{16};  // the same, by parser state * num_states + state; made by RuleTables::prepare
};

// The compiled rules of a language, as grammar/rules/compile.py makes them.
struct RuleTables {
    std::vector<u16> pseudo_base;  // base terminal of each pseudo-terminal; the last one is "bad" (kNoSymbol)
    std::vector<StackRule> rules;
    std::vector<u16> reserved;     // keywords that are never an identifier
    std::vector<u16> unreserved;   // where all of these terminals may stand, the grammar reserves no word
    std::vector<u16> word_places;  // nonterminals: where one may begin, reserved words are names; none: nowhere
    std::vector<u16> word_marks;   // terminals behind which they are names, too
    std::vector<LexemeFilter> filters;
    std::vector<std::string> endings;  // texts that a closing may try, beside single lexemes
    std::vector<std::string> openers;  // texts that may be put before right context, see opening.h
    std::vector<std::string> block_openers;  // of them, headers of indented blocks
    std::vector<std::vector<u32>> character_sets;  // beyond ASCII: first, last, first, last, …
    std::vector<u16> glued;  // terminal, character, ...: the one is never followed by the other
    std::vector<u16> line_comments, line_ends;  // see StateTable::line_ends
    u32 in_line_flag = 0;
    // A lexeme `named` whose text is the innermost name around it is `own`; `naming_flag`: the next one gives a name.
    u16 named = kNoSymbol, own = kNoSymbol;
    u32 naming_flag = 0;
    std::string own_ends;          // characters that may follow `own` and not `named`
    std::string blanks;            // the only characters skipped between lexemes; empty: whatever the grammar skips

    // By nonterminal: a reduction to it asks for the state of the stack's top, not only for the one below.
    std::vector<u8> reads_top;
    // Checks the rules against the grammar and makes what is derived from them. Throws GrammarError.
    void prepare(u32 num_terminals_all, u32 num_parser_states);
};

using ContextId = u32;

// Contexts: one state per rule, interned. Context 0 is every rule's start state.
class RuleContexts {
public:
    RuleContexts(const RuleTables* tables, u32 num_terminals_all);
    ContextId shift(ContextId context, u32 terminal);                          // kNone: rejected
    ContextId reduce(ContextId below, u32 nonterminal, ContextId top);         // kNone: rejected
    u32 lex_flags(ContextId context) const { return flags_[context]; }
    bool reads_top(u32 nonterminal) const { return nonterminal < tables_->reads_top.size() && tables_->reads_top[nonterminal]; }
    std::size_t size() const { return flags_.size(); }
    const std::u16string& states(ContextId context) const { return states_[context]; }  // one unit a rule
    ContextId intern(const std::u16string& states);
    ContextId start(u32 top);  // 0: as every text starts; others: the level of StackRule::tops
    // Name of the rule that rejects, for messages; empty when none does.
    std::string rejecting_rule(ContextId context, u32 terminal) const;

private:
    const RuleTables* tables_;
    u32 num_terminals_all_;
    std::vector<std::u16string> states_;  // one unit a rule
    std::vector<u32> flags_;
    std::unordered_map<std::u16string, ContextId> ids_;
};

}  // namespace codefusion
