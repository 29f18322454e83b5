// Rust's external tokens: text of strings, raw strings with their hashes, floating-point literals; and comments, which nest.
#pragma once
#include "lexer.h"

namespace codefusion {

// tree-sitter-rust reads a comment as a rule of several lexemes that may stand anywhere. Here it is a blank: that is where
// it may stand, and the parser learns nothing from it.
class RustScanner final : public Scanner {
public:
    explicit RustScanner(const ts::Language* language);
    void start(const Lexer& lexer, ModeId mode, LexState& s) const override;
    LexState text_start(const Lexer& lexer, ModeId mode) const override;
    LexOutcome read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const override;
    TerminalSet reachable(const Lexer& lexer, const LexState& s) const override;
    const char* ending(const LexState& s) const override;
    // As in grammar/rules/rust_strings.py: the variants of a raw string's start are told apart by the number of hashes, and
    // the flags are one more than that of the string that is being read.
    static constexpr u32 kMaxHashes = 8, kHashes = 15;
    // What has to follow, as in grammar/rules/rust_words.py: a name and not `_`, no blank, something behind docs, a label.
    // The last one without "no blank": no doc comment.
    static constexpr u32 kNameFlag = 16, kNoBlankFlag = 32, kDocsFlag = 64, kLabelFlag = 128;
    static constexpr u32 kMaxDepth = 32;  // of comments

private:
    LexOutcome read_any(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_between(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_comment(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_number(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_raw_start(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_raw_text(LexState&, u32 c, u32 char_start, u32 next_offset) const;
    LexOutcome read_string(const Lexer&, LexState&, u32 c, u32 char_start, u32 next_offset) const;
    bool valid(const Lexer& lexer, ModeId mode, u32 external) const;

    const ts::Language* language_;
    u16 string_content_, string_close_, raw_content_, raw_end_, float_, first_variant_;
    u16 wildcard_ = kNoSymbol, static_word_ = kNoSymbol;
};

}  // namespace codefusion
