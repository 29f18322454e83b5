// Byte-incremental lexing: maximal munch over the learnt automata, keyword extraction, UTF-8, and a scanner for
// what a finite automaton cannot say (indentation, string delimiters).
#pragma once
#include <memory>

#include "states.h"

namespace codefusion {

// One lexer part-way through a lexeme. A plain value: copying it forks the lexer.
struct LexState {
    u8 kind = 0;                  // 0: the grammar's own lexer; others belong to the scanner
    u8 missing = 0;               // UTF-8 continuation bytes still to come
    u8 fresh = 1;                 // nothing but blanks read since the lexeme before
    u8 newline_mode = 0;          // while fresh: what a line break means; 2: refused (a scanner knows more values)
    u16 q = Automaton::kDead, keyword_q = Automaton::kDead;
    u16 accepted = kNoSymbol, accepted_keyword = kNoSymbol;
    u16 start_mode = 0;           // scanner: mode that lexing began in, where it still matters, or a count
    u16 detail = 0;               // scanner: string kind, prefix letters
    u32 code_point = 0;           // of the character being read
    u32 column = 0, alt_column = 0;  // scanner: of the line start being read
    // Offsets into the text of the current run; not part of the configuration.
    u32 accept_end = 0, char_start = 0;
};

enum class LexEvent : u8 {
    kAlive,    // the byte was read
    kLexeme,   // a lexeme ended at `end`; lexing goes on there (before this byte, or after it)
    kResolve,  // a line start ended before this byte: indentation decides what comes first
    kDead,     // no lexeme of any grammar mode continues this way
};

struct LexOutcome {
    LexEvent event = LexEvent::kAlive;
    u16 terminal = kNoSymbol, keyword = kNoSymbol;
    u32 end = 0;
    bool crossed_newline = false;  // kResolve: a logical line has to be ended first
};

// What a language's lexers read by; immutable and shared by all of them.
struct LexerTables {
    // Learns the automata (and checks them with random words).
    LexerTables(const ts::Language* language, const RuleTables* rules, u32 verify_words);
    CharClasses classes;
    Automaton main, keywords;
};

class Lexer;

// A language's hand-written external scanner. It reads whole characters and keeps its state in LexState.
class Scanner {
public:
    virtual ~Scanner() = default;
    virtual void start(const Lexer& lexer, ModeId mode, LexState& s) const = 0;
    virtual LexState text_start(const Lexer& lexer, ModeId mode) const = 0;
    // One character (code point, or kEndOfText) that began at char_start; next_offset is behind it.
    virtual LexOutcome read(const Lexer& lexer, LexState& s, u32 code_point, u32 char_start, u32 next_offset) const = 0;
    // Terminals that some continuation ends in.
    virtual TerminalSet reachable(const Lexer& lexer, const LexState& s) const = 0;
    // Flags of a mode by LR state, beside those that the rules set; empty when there are none.
    virtual std::vector<u32> state_flags(const ParseTable&) const { return {}; }
    virtual bool uses_lines() const { return false; }
    // What ends the lexeme that is being read, where no lexeme of the grammar's own does; "" where nothing is open.
    virtual const char* ending(const LexState&) const { return ""; }
    u16 newline = kNoSymbol, indent = kNoSymbol, dedent = kNoSymbol;
};

constexpr u32 kEndOfText = 0xffffffffu;

class Lexer {
public:
    // The tables must outlive the lexer.
    Lexer(const ts::Language* language, const LexerTables& tables, const RuleTables* rules);

    void attach(StateTable* states, std::unique_ptr<Scanner> scanner);
    // Ready for a lexeme that begins at `offset` of the run's text.
    LexState start(ModeId mode, u32 offset = 0) const;
    LexState text_start(ModeId mode) const;
    // Reads one byte at `offset` of the run's text.
    LexOutcome push(LexState& s, u8 byte, u32 offset) const;
    // The text ends here: which lexeme is complete? kAlive: nothing pending.
    LexOutcome finish(LexState& s, u32 offset) const;
    TerminalSet reachable(const LexState& s) const;
    LexOutcome read_internal(LexState& s, u32 code_point, u32 char_start, u32 next_offset) const;
    TerminalSet reachable_internal(const LexState& s) const;
    // Starts the grammar's own lexer, whatever the scanner would do.
    void start_internal(ModeId mode, LexState& s) const;

    const ts::Language* language;
    const CharClasses& classes;
    const Automaton &main, &keywords;
    StateTable* states = nullptr;
    std::unique_ptr<Scanner> scanner;

private:
    LexOutcome read(LexState& s, u32 code_point, u32 char_start, u32 next_offset) const;

    u16 keyword_capture_;
    std::array<bool, 128> blank_{};
    bool blanks_restricted_;
};

}  // namespace codefusion
