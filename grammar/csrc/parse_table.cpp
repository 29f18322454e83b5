#include "parse_table.h"

#include <map>

namespace codefusion {

u16 ParseTable::entry(u32 state, u32 symbol) const {
    const ts::Language* g = source;
    if (state < g->large_state_count) return g->parse_table[state * g->symbol_count + symbol];
    const u16* data = &g->small_parse_table[g->small_parse_table_map[state - g->large_state_count]];
    const u16 groups = *data++;
    for (u32 i = 0; i < groups; i++) {
        const u16 value = *data++, count = *data++;
        for (u32 j = 0; j < count; j++)
            if (*data++ == symbol) return value;
    }
    return 0;
}

ParseTable::ParseTable(const ts::Language* language) : source(language) {
    if (language == nullptr) throw GrammarError("expected a tree-sitter language, got a null pointer");
    if (language->abi_version < 14 || language->abi_version > 15)
        throw GrammarError("expected a tree-sitter grammar of ABI 14 or 15, got ABI " +
                           std::to_string(language->abi_version));
    num_terminals = language->token_count;
    num_symbols = language->symbol_count;
    num_states = language->state_count;
    keyword_capture = language->keyword_lex_fn != nullptr ? language->keyword_capture_token : kNoSymbol;
    cell_of_.assign(static_cast<std::size_t>(num_states) * num_terminals, 0);
    gotos_.assign(static_cast<std::size_t>(num_states) * (num_symbols - num_terminals), 0);
    extra_.assign(num_terminals, 0);
    cells_.push_back(Cell{});

    std::map<std::vector<u32>, u16> cell_ids;
    std::map<u32, u16> reduction_ids;
    for (u32 state = 0; state < num_states; state++) {
        if (language->abi_version >= 15) {
            const auto& m = static_cast<const ts::LexMode15*>(language->lex_modes)[state];
            lex_modes.push_back({m.lex_state, m.external_lex_state, m.reserved_word_set});
        } else {
            const auto& m = static_cast<const ts::LexMode14*>(language->lex_modes)[state];
            lex_modes.push_back({m.lex_state, m.external_lex_state, 0});
        }
        // Behind an extra of several lexemes (Rust's comments) nothing is read. Such extras are a scanner's blanks, so the
        // state is never reached; any lexer will do.
        if (lex_modes.back().lex_state == kNoSymbol) lex_modes.back().lex_state = 0;
        for (u32 t = 0; t < num_terminals; t++) {
            const ts::ActionEntry* e = &language->parse_actions[entry(state, t)];
            const u32 count = e->entry.count;
            if (count == 0) continue;
            Cell cell;
            std::vector<u16> reduces;
            for (u32 i = 0; i < count; i++) {
                const ts::Action& a = e[1 + i].action;
                if (a.type == ts::kReduce) {
                    const u32 key = static_cast<u32>(a.reduce.symbol) << 16 | a.reduce.child_count;
                    const auto it = reduction_ids.emplace(key, static_cast<u16>(reductions.size())).first;
                    if (it->second == reductions.size())
                        reductions.push_back({a.reduce.symbol, a.reduce.child_count});
                    reduces.push_back(it->second);
                } else if (a.type == ts::kShift && !a.shift.repetition) {
                    cell.shift = a.shift.extra ? 0 : a.shift.state;
                    cell.is_extra = a.shift.extra;
                    if (a.shift.extra) extra_[t] = 1;
                } else if (a.type == ts::kAccept) {
                    cell.accepts = 1;
                }
            }
            std::vector<u32> key{cell.shift, cell.is_extra, cell.accepts};
            key.insert(key.end(), reduces.begin(), reduces.end());
            const auto it = cell_ids.emplace(key, static_cast<u16>(cells_.size())).first;
            if (it->second == cells_.size()) {
                if (cells_.size() >= kNoSymbol) throw GrammarError("the grammar has too many distinct actions");
                cell.num_reductions = static_cast<u16>(reduces.size());
                cell.first_reduction = static_cast<u32>(cell_reductions.size());
                cell_reductions.insert(cell_reductions.end(), reduces.begin(), reduces.end());
                cells_.push_back(cell);
            }
            cell_of_[static_cast<std::size_t>(state) * num_terminals + t] = it->second;
        }
        for (u32 s = num_terminals; s < num_symbols; s++)
            gotos_[static_cast<std::size_t>(state) * (num_symbols - num_terminals) + s - num_terminals] =
                entry(state, s);
    }
}

TerminalSet ParseTable::reserved_words(u32 reserved_set) const {
    TerminalSet set;
    if (reserved_set == 0 || source->abi_version < 15) return set;
    const u32 size = source->max_reserved_word_set_size;
    for (u32 i = 0; i < size; i++) {
        const u16 word = source->reserved_words[reserved_set * size + i];
        if (word == 0) break;
        set.add(word);
    }
    return set;
}

}  // namespace codefusion
