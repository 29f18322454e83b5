// The memory layout of a compiled tree-sitter grammar (ABI 14 and 15), as far as the engine reads it.
// Source: tree-sitter lib/src/parser.h. The grammar wheels hand out a pointer to this structure.
#pragma once
#include <cstdint>

namespace codefusion::ts {

using Symbol = std::uint16_t;
using StateId = std::uint16_t;

struct Lexer {
    std::int32_t lookahead;
    Symbol result_symbol;
    void (*advance)(Lexer*, bool skip);
    void (*mark_end)(Lexer*);
    std::uint32_t (*get_column)(Lexer*);
    bool (*is_at_included_range_start)(const Lexer*);
    bool (*eof)(const Lexer*);
    void (*log)(const Lexer*, const char*, ...);
};

enum ActionType : std::uint8_t { kShift, kReduce, kAccept, kRecover };

union Action {
    struct {
        std::uint8_t type;
        StateId state;
        bool extra;
        bool repetition;
    } shift;
    struct {
        std::uint8_t type;
        std::uint8_t child_count;
        Symbol symbol;
        std::int16_t dynamic_precedence;
        std::uint16_t production_id;
    } reduce;
    std::uint8_t type;
};

union ActionEntry {
    Action action;
    struct {
        std::uint8_t count;
        bool reusable;
    } entry;
};

struct LexMode14 {
    std::uint16_t lex_state, external_lex_state;
};

struct LexMode15 {
    std::uint16_t lex_state, external_lex_state, reserved_word_set;
};

struct Language {
    std::uint32_t abi_version, symbol_count, alias_count, token_count, external_token_count, state_count,
        large_state_count, production_id_count, field_count;
    std::uint16_t max_alias_sequence_length;
    const std::uint16_t* parse_table;
    const std::uint16_t* small_parse_table;
    const std::uint32_t* small_parse_table_map;
    const ActionEntry* parse_actions;
    const char* const* symbol_names;
    const char* const* field_names;
    const void* field_map_slices;
    const void* field_map_entries;
    const std::uint8_t* symbol_metadata;  // three booleans a symbol: visible, named, supertype
    const Symbol* public_symbol_map;
    const std::uint16_t* alias_map;
    const Symbol* alias_sequences;
    const void* lex_modes;
    bool (*lex_fn)(Lexer*, StateId);
    bool (*keyword_lex_fn)(Lexer*, StateId);
    Symbol keyword_capture_token;
    struct {
        const bool* states;
        const Symbol* symbol_map;
        void* (*create)();
        void (*destroy)(void*);
        bool (*scan)(void*, Lexer*, const bool* valid_symbols);
        unsigned (*serialize)(void*, char*);
        void (*deserialize)(void*, const char*, unsigned);
    } external_scanner;
    const StateId* primary_state_ids;
    // ABI 15 only:
    const char* name;
    const Symbol* reserved_words;
    std::uint16_t max_reserved_word_set_size;
};

}  // namespace codefusion::ts
