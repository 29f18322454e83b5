// JavaScript's and TypeScript's external tokens: semicolons that a line break stands for, `?`, the text of templates and of
// JSX.
#pragma once
#include "lexer.h"

namespace codefusion {

// Where a semicolon may be inserted, the text is read on over blanks, line breaks and comments (which mean nothing else)
// until the next lexeme's first characters decide: the wheel looks ahead, this waits. HTML-like comments are not read.
class JavaScriptScanner final : public Scanner {
public:
    // has_types: TypeScript's grammars.
    JavaScriptScanner(const ts::Language* language, bool has_types);
    std::vector<u32> state_flags(const ParseTable& table) const override;
    void start(const Lexer& lexer, ModeId mode, LexState& s) const override;
    LexState text_start(const Lexer& lexer, ModeId mode) const override;
    LexOutcome read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const override;
    TerminalSet reachable(const Lexer& lexer, const LexState& s) const override;
    const char* ending(const LexState& s) const override;
    // Flags that the rules set (grammar/rules/javascript_lines.py): no semicolon may be inserted, whatever the grammar
    // says; the lexeme before was inserted at a line break, which counts for another one, too.
    // Nothing may be skipped over a line break; a line break ends the statement before ( [ ` as well.
    static constexpr u32 kNoInsertion = 1, kLineCrossed = 2, kOneLine = 4, kLineEnds = 8;
    // Set by the scanner itself, with types. What ends here may be the name of a member, so that `<` on the next line begins
    // the type parameters of a method; it may be that of `{a}`, which may turn out to be a pattern: no semicolon comes before
    // `}`, because members need none.
    static constexpr u32 kNameEnds = 16, kPatternEnds = 32;

private:
    LexOutcome read_between(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_line(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_comment(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_begun(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_template(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_jsx(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    bool valid(const Lexer& lexer, ModeId mode, u32 external) const;

    const ts::Language* language_;
    bool has_types_;
    u16 semicolon_, template_chars_, question_, jsx_text_;
};

}  // namespace codefusion
