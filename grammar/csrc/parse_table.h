// LR actions and gotos read out of a compiled tree-sitter grammar, as dense arrays.
#pragma once
#include "base.h"
#include "tree_sitter_abi.h"

namespace codefusion {

struct Reduction {
    u16 nonterminal;  // symbol id
    u16 child_count;
};

// What one (state, terminal) cell allows. More than one way on is a GLR fork.
struct Cell {
    u16 shift = kNoSymbol;  // target state; kNoSymbol: no shift
    u8 is_extra = 0;        // the shift leaves the stack as it is (comments, white space)
    u8 accepts = 0;
    u16 num_reductions = 0;
    u32 first_reduction = 0;  // index into ParseTable::cell_reductions
};

struct LexMode {
    u16 lex_state;     // 0xffff: end of a non-terminal extra, reduce without lexing
    u16 external_set;  // row of the external scanner's table; 0: the scanner is not asked
    u16 reserved_set;
    bool operator==(const LexMode& o) const {
        return lex_state == o.lex_state && external_set == o.external_set && reserved_set == o.reserved_set;
    }
};

class ParseTable {
public:
    explicit ParseTable(const ts::Language* language);

    const ts::Language* source;
    u32 num_terminals, num_symbols, num_states;
    u16 keyword_capture;  // kNoSymbol when the grammar has no keyword extraction
    std::vector<Reduction> reductions;
    std::vector<u16> cell_reductions;
    std::vector<LexMode> lex_modes;  // by state

    const Cell& cell(u32 state, u32 terminal) const {
        return cells_[cell_of_[static_cast<std::size_t>(state) * num_terminals + terminal]];
    }
    u16 go_to(u32 state, u32 nonterminal) const {  // 0: none
        return gotos_[static_cast<std::size_t>(state) * (num_symbols - num_terminals) + nonterminal - num_terminals];
    }
    bool is_extra(u32 terminal) const { return extra_[terminal] != 0; }
    TerminalSet reserved_words(u32 reserved_set) const;
    std::string symbol_name(u32 symbol) const { return source->symbol_names[symbol]; }

private:
    u16 entry(u32 state, u32 symbol) const;

    std::vector<Cell> cells_;
    std::vector<u16> cell_of_, gotos_;
    std::vector<u8> extra_;
};

}  // namespace codefusion
