// Rule states that no continuation can tell apart: at such a parser state they are one.
//
//     while x:  f(a, |        "in a loop" and "not in one" are the same inside these brackets: no `break` can stand
//                             there, and what follows the bracket reads the state below it
// Fewer contexts make fewer refined states, so what is stored about one text serves more others. A partition
// refinement of (parser state, rule state), after Hopcroft and Paige-Tarjan, with one more edge for what a reduction
// reads; sound because classes that are merged have equal flags and shifts, and lead to equal classes.
#pragma once
#include "parse_table.h"
#include "rules.h"

namespace codefusion {

// (parser state, rule state, its representative) for every state that is not its own.
std::vector<u16> merge_states(const ParseTable& table, const RuleTables& rules, const StackRule& rule);

}  // namespace codefusion
