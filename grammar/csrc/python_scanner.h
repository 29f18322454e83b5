// Python's external tokens as CPython's tokenizer sees them: line starts and indentation, strings, f-strings.
#pragma once
#include "lexer.h"

namespace codefusion {

class PythonScanner final : public Scanner {
public:
    explicit PythonScanner(const ts::Language* language);
    void start(const Lexer& lexer, ModeId mode, LexState& s) const override;
    LexState text_start(const Lexer& lexer, ModeId mode) const override;
    LexOutcome read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const override;
    TerminalSet reachable(const Lexer& lexer, const LexState& s) const override;
    bool uses_lines() const override { return true; }

private:
    LexOutcome read_fresh(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_line_start(LexState&, u32 c, u32 char_start) const;
    LexOutcome read_content(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome as_content(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    bool valid(const Lexer& lexer, ModeId mode, u32 external) const;

    const ts::Language* language_;
    u16 string_content_, escape_interpolation_, string_end_, first_variant_;
};

}  // namespace codefusion
