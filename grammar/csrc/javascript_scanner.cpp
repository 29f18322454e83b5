#include "javascript_scanner.h"

namespace codefusion {
namespace {

// Order of the external tokens in tree-sitter-javascript and, with one more that nothing is emitted for,
// tree-sitter-typescript; html_comment is never emitted, the others are the lexer's own.
enum External : u32 {
    kSemicolon, kTemplateChars, kQuestionMark, kHtmlComment, kLogicalOr, kEscape, kRegex, kJsxText, kSignatureEnd
};
constexpr u32 kJavaScriptTokens = 8, kTypeScriptTokens = 10;

enum Kind : u8 {
    kInternal,      // the grammar's own lexer
    // Between lexemes, where a semicolon or a `?` may come; newline_mode: Between. In all of them q is where the
    // grammar's lexer would start.
    kBlanks,
    kLine,          // behind a line break: the next characters decide
    kSlash,         // a comment or a lexeme
    kLineComment,
    kBlockComment,
    kBlockStar,     // `*` in a comment
    kBegun,         // behind a line break, `detail` being the first character of . + - !
    kWord,          // the same, `detail` characters of "instanceof"
    kQuestion,
    kQuestionDot,   // `?.` is the lexer's, unless a digit follows
    kQuestionBlank,  // with types: what follows tells an optional parameter's `?` from an operator
    kTemplate,      // fresh: the text is still empty
    kTemplateDollar,
    kJsx,           // fresh: nothing but line breaks and the blanks behind them; newline_mode 1: one is the last
};

// Where a semicolon comes otherwise than is usual; `detail` between lexemes.
enum Where : u16 {
    kAtCalls = 1,     // a line break ends the statement before ( [ `, too
    kAtMembers = 2,   // before ( [ * and the word `in`
    kNotAtBody = 4,   // not before {
    kNotAtBrace = 8,  // not before }
    kAtTypes = 16,    // before <
};

enum Between : u8 { kMayInsert = 1, kMayAsk = 2, kCrossedLine = 4 };
constexpr u8 kOnOneLine = 2;  // newline_mode of kInternal while fresh: no line break may be skipped

constexpr char kInstanceof[] = "instanceof";
constexpr u32 kLengthOfIn = 2, kLengthOfInstanceof = 10;

const LexOutcome kReadOn{};
const LexOutcome kRefused{LexEvent::kDead};

LexOutcome lexeme(u16 terminal, u32 end) { return {LexEvent::kLexeme, terminal, kNoSymbol, end, false}; }

bool is_line_break(u32 c) { return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029; }
bool is_digit(u32 c) { return c >= '0' && c <= '9'; }

// Beyond ASCII the grammar's lexer knows the blanks, so that characters of one class are read alike.
bool is_blank(const Lexer& lexer, const LexState& s, u32 c) {
    if (c < 128) return c == ' ' || (c >= '\t' && c <= '\r');
    return c != kEndOfText && lexer.main.skip(s.q, lexer.classes.of(c));
}

// May go on with a word. Beyond ASCII whatever is no blank may, as the grammar's lexer has it.
bool is_word(const Lexer& lexer, const LexState& s, u32 c) {
    if (c >= 128) return c != kEndOfText && !is_blank(lexer, s, c);
    return is_digit(c) || (c | 0x20) - 'a' < 26 || c == '_' || c == '$' || c == '\\';
}

// Characters that a statement goes on with behind a line break, so that no semicolon is inserted.
bool goes_on(u32 c) {
    switch (c) {
        case '`': case ',': case ':': case ';': case '*': case '%': case '>': case '<': case '=': case '[': case '(':
        case '?': case '^': case '|': case '&': return true;
        default: return false;
    }
}

// Behind the `?` of an optional parameter.
bool ends_parameter(u32 c) { return c == ':' || c == ')' || c == ','; }

// Gives the text back to the grammar's lexer: `begun`, which has been read, and then c.
LexOutcome as_internal(const Lexer& lexer, LexState& s, std::string_view begun, u32 c, u32 char_start, u32 next_offset) {
    s.kind = kInternal;
    s.detail = 0;
    s.newline_mode = 0;
    s.accepted = s.accepted_keyword = kNoSymbol;
    s.fresh = 1;
    const auto size = static_cast<u32>(begun.size());
    for (u32 i = 0; i < size; i++) {
        const u32 at = char_start - size + i;
        const LexOutcome o = lexer.read_internal(s, static_cast<u8>(begun[i]), at, at + 1);
        if (o.event != LexEvent::kAlive) return o;
    }
    if (c == kEndOfText && s.fresh) return kReadOn;
    return lexer.read_internal(s, c, char_start, next_offset);
}

std::string_view begun_text(const LexState& s) {
    static constexpr char kSigns[] = ".+-!";
    switch (s.kind) {
        case kSlash: return "/";
        case kBegun: return {std::char_traits<char>::find(kSigns, 4, static_cast<char>(s.detail)), 1};
        case kWord: return std::string_view(kInstanceof, s.detail);
        case kQuestion:
        case kQuestionBlank: return "?";
        case kQuestionDot: return "?.";
        case kTemplateDollar: return "$";
        default: return {};
    }
}

}  // namespace

JavaScriptScanner::JavaScriptScanner(const ts::Language* language, bool has_types)
    : language_(language), has_types_(has_types) {
    const auto& e = language->external_scanner;
    if (language->external_token_count != (has_types ? kTypeScriptTokens : kJavaScriptTokens))
        throw GrammarError("expected the external tokens of tree-sitter-javascript or tree-sitter-typescript");
    semicolon_ = e.symbol_map[kSemicolon];
    template_chars_ = e.symbol_map[kTemplateChars];
    question_ = e.symbol_map[kQuestionMark];
    jsx_text_ = e.symbol_map[kJsxText];
}

std::vector<u32> JavaScriptScanner::state_flags(const ParseTable& table) const {
    if (!has_types_) return {};
    const auto terminal_of = [&](const char* name) {
        for (u32 t = 0; t < table.num_terminals; t++)
            if (t != question_ && table.symbol_name(t) == name) return t;
        throw GrammarError(std::string("expected a terminal ") + name);
    };
    const u32 brace = terminal_of("}"), question = terminal_of("?"), logical_or = terminal_of("||");
    const auto ways = [&](u32 state, u32 terminal) {
        const Cell& c = table.cell(state, terminal);
        return (c.shift != kNoSymbol) + c.num_reductions;
    };
    std::vector<u32> flags(table.num_states);
    for (u32 s = 1; s < table.num_states; s++)
        if (ways(s, question) != 0 && ways(s, logical_or) == 0) flags[s] = kNameEnds | (ways(s, brace) > 1 ? kPatternEnds : 0);
    return flags;
}

bool JavaScriptScanner::valid(const Lexer& lexer, ModeId mode, u32 external) const {
    const u16 row = lexer.states->mode(mode).lex.external_set;
    return row != 0 && language_->external_scanner.states[row * language_->external_token_count + external];
}

void JavaScriptScanner::start(const Lexer& lexer, ModeId mode, LexState& s) const {
    const u32 flags = lexer.states->mode(mode).flags;
    if (valid(lexer, mode, kTemplateChars)) {
        s.kind = kTemplate;
        return;
    }
    if (valid(lexer, mode, kJsxText)) {
        s.kind = kJsx;
        return;
    }
    const bool may_insert = valid(lexer, mode, kSemicolon) && (flags & kNoInsertion) == 0;
    const bool may_ask = valid(lexer, mode, kQuestionMark);
    if (!may_insert && !may_ask) {
        s.newline_mode = (flags & kOneLine) != 0 ? kOnOneLine : 0;
        return;
    }
    s.kind = kBlanks;
    s.newline_mode = static_cast<u8>((may_insert ? kMayInsert : 0) | (may_ask ? kMayAsk : 0));
    s.detail = (flags & kLineEnds) != 0 ? kAtCalls : 0;
    if (has_types_) {
        if (!valid(lexer, mode, kLogicalOr)) s.detail |= kAtMembers;  // behind a type or a member's name, not an operand
        if (valid(lexer, mode, kSignatureEnd)) s.detail |= kNotAtBody;
        if ((flags & kPatternEnds) != 0) s.detail |= kNotAtBrace;
        if ((s.detail & kAtMembers) != 0 && (flags & kNameEnds) == 0) s.detail |= kAtTypes;
    }
    if (may_insert && (flags & kLineCrossed) != 0) {
        s.kind = kLine;
        s.newline_mode |= kCrossedLine;
    }
}

LexState JavaScriptScanner::text_start(const Lexer& lexer, ModeId mode) const { return lexer.start(mode); }

LexOutcome JavaScriptScanner::read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    switch (s.kind) {
        case kInternal:
            if (c == kEndOfText && s.fresh) return kReadOn;
            if (c == '\r' && s.fresh && s.newline_mode == kOnOneLine && lexer.main.skip(s.q, c)) return kRefused;
            return lexer.read_internal(s, c, char_start, next_offset);
        case kBlanks: return read_between(lexer, s, c, char_start, next_offset);
        case kLine: return read_line(lexer, s, c, char_start, next_offset);
        case kSlash:
        case kLineComment:
        case kBlockComment:
        case kBlockStar: return read_comment(lexer, s, c, char_start, next_offset);
        case kTemplate:
        case kTemplateDollar: return read_template(lexer, s, c, char_start, next_offset);
        case kJsx: return read_jsx(lexer, s, c, char_start, next_offset);
        default: return read_begun(lexer, s, c, char_start, next_offset);
    }
}

// Blanks and comments so far, and no line break.
LexOutcome JavaScriptScanner::read_between(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const bool may_insert = (s.newline_mode & kMayInsert) != 0;
    if (may_insert && is_line_break(c)) {
        s.kind = kLine;
        s.newline_mode |= kCrossedLine;
        return kReadOn;
    }
    if (is_blank(lexer, s, c)) return kReadOn;
    const bool at_brace = c == '}' && (s.detail & kNotAtBrace) == 0;
    if (may_insert && (at_brace || c == kEndOfText)) return lexeme(semicolon_, char_start);
    if (may_insert && c == '/') {
        s.kind = kSlash;
        s.fresh = 0;
        return kReadOn;
    }
    if (c == '?' && (s.newline_mode & kMayAsk) != 0) {
        s.kind = kQuestion;
        s.fresh = 0;
        s.accepted = question_;
        s.accept_end = next_offset;
        return kReadOn;
    }
    return as_internal(lexer, s, {}, c, char_start, next_offset);
}

LexOutcome JavaScriptScanner::read_line(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (is_line_break(c) || is_blank(lexer, s, c)) return kReadOn;
    const bool line_ends = ((s.detail & kAtCalls) != 0 && (c == '(' || c == '[' || c == '`')) ||
                           ((s.detail & kAtMembers) != 0 && (c == '(' || c == '[' || c == '*')) ||
                           ((s.detail & kAtTypes) != 0 && c == '<');
    const bool is_body = c == '{' && (s.detail & kNotAtBody) != 0;
    if (!line_ends && (c == '/' || c == '?' || is_body || c == '}' || goes_on(c)))
        return read_between(lexer, s, c, char_start, next_offset);
    const bool is_sign = c == '.' || c == '+' || c == '-' || c == '!';
    const bool may_be_in = c == 'i' && (s.detail & kAtMembers) == 0;
    if (!is_sign && !may_be_in) return lexeme(semicolon_, char_start);
    s.kind = is_sign ? kBegun : kWord;
    s.detail = is_sign ? static_cast<u16>(c) : 1;
    s.fresh = 0;
    s.accepted = semicolon_;
    s.accept_end = char_start;
    return kReadOn;
}

LexOutcome JavaScriptScanner::read_comment(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const auto read_on = [&s](Kind kind) {
        s.kind = kind;
        return kReadOn;
    };
    if (is_line_break(c) && s.kind != kSlash) {
        s.newline_mode |= kCrossedLine;
        if (s.kind == kLineComment) s.fresh = 1;
        return read_on(s.kind == kLineComment ? kLine : kBlockComment);
    }
    switch (s.kind) {
        case kSlash:
            if (c == '/') return read_on(kLineComment);
            if (c == '*') return read_on(kBlockComment);
            return as_internal(lexer, s, begun_text(s), c, char_start, next_offset);
        case kLineComment: return c == kEndOfText ? lexeme(semicolon_, char_start) : kReadOn;
        default: break;
    }
    if (c == kEndOfText) return kRefused;
    if (s.kind == kBlockStar && c == '/') {
        s.fresh = 1;
        return read_on((s.newline_mode & kCrossedLine) != 0 ? kLine : kBlanks);
    }
    return read_on(c == '*' ? kBlockStar : kBlockComment);
}

// A lexeme has begun, and whether a semicolon comes first, or what lexeme it is, is not known yet.
LexOutcome JavaScriptScanner::read_begun(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const std::string_view begun = begun_text(s);
    bool is_accepted = false;
    switch (s.kind) {
        case kBegun:
            is_accepted = s.detail == '.' ? is_digit(c) : s.detail == '!' ? c != '=' : c == s.detail;
            break;
        case kWord:
            if (s.detail < kLengthOfInstanceof && c == static_cast<u8>(kInstanceof[s.detail])) {
                s.detail++;
                return kReadOn;
            }
            is_accepted = (s.detail != kLengthOfIn && s.detail != kLengthOfInstanceof) || is_word(lexer, s, c);
            break;
        case kQuestion:
            if (c == '.') {
                s.kind = kQuestionDot;
                return kReadOn;
            }
            if (has_types_ && is_blank(lexer, s, c)) {
                s.kind = kQuestionBlank;
                return kReadOn;
            }
            is_accepted = c != '?' && !(has_types_ && ends_parameter(c));
            break;
        case kQuestionBlank: {
            if (is_blank(lexer, s, c)) return kReadOn;
            if (!ends_parameter(c)) return lexeme(s.accepted, s.accept_end);
            const u32 end = s.accept_end;
            return as_internal(lexer, s, begun, ' ', end, end + 1);  // the lexer's `?` ends there, too
        }
        default: is_accepted = is_digit(c); break;  // kQuestionDot
    }
    if (is_accepted) return lexeme(s.accepted, s.accept_end);
    return as_internal(lexer, s, begun, c, char_start, next_offset);
}

LexOutcome JavaScriptScanner::read_template(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (s.kind == kTemplateDollar) {
        if (c == '{') {
            if (s.accepted != kNoSymbol) return lexeme(s.accepted, s.accept_end);
            return as_internal(lexer, s, begun_text(s), c, char_start, next_offset);
        }
        s.kind = kTemplate;  // text after all
        s.accepted = kNoSymbol;
        s.fresh = 0;
    }
    if (c == kEndOfText) return kRefused;
    if (c == '`' || c == '\\') {
        if (!s.fresh) return lexeme(template_chars_, char_start);
        return as_internal(lexer, s, {}, c, char_start, next_offset);
    }
    if (c == '$') {
        s.kind = kTemplateDollar;
        if (!s.fresh) {
            s.accepted = template_chars_;
            s.accept_end = char_start;
        }
        return kReadOn;
    }
    s.fresh = 0;
    return kReadOn;
}

LexOutcome JavaScriptScanner::read_jsx(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (c == kEndOfText) return kRefused;
    if (c == '<' || c == '>' || c == '{' || c == '}' || c == '&') {
        if (!s.fresh) return lexeme(jsx_text_, char_start);
        return as_internal(lexer, s, {}, c, char_start, next_offset);
    }
    if (c == '\n') s.newline_mode = 1;
    else if (!is_blank(lexer, s, c)) s.newline_mode = 0;
    if (s.newline_mode == 0) s.fresh = 0;
    return kReadOn;
}

TerminalSet JavaScriptScanner::reachable(const Lexer& lexer, const LexState& s) const {
    TerminalSet r;
    LexState t = s;
    switch (s.kind) {
        case kInternal: return lexer.reachable_internal(s);
        case kLineComment:
        case kBlockComment:
        case kBlockStar:
        case kSlash: return TerminalSet::all();  // a comment may come wherever a lexeme may
        case kBlanks:
        case kLine:
            r = lexer.reachable_internal(s);
            if ((s.newline_mode & kMayInsert) != 0) r.add(semicolon_);
            if ((s.newline_mode & kMayAsk) != 0) r.add(question_);
            return r;
        case kTemplate:
            r.add(template_chars_);
            if (s.fresh) r.unite(lexer.reachable_internal(s));
            return r;
        case kJsx:
            r.add(jsx_text_);
            if (s.fresh) r.unite(lexer.reachable_internal(s));
            return r;
        case kTemplateDollar: r.add(template_chars_); break;
        case kQuestion:
        case kQuestionBlank: r.add(question_); break;
        default: break;  // an inserted semicolon: what was read behind it is read again then
    }
    if (s.kind == kTemplateDollar && !s.fresh) return r;
    t.kind = kInternal;
    t.accepted = kNoSymbol;
    for (const char c : begun_text(s))
        if (lexer.read_internal(t, static_cast<u8>(c), 0, 1).event != LexEvent::kAlive) return r;
    if (s.kind != kQuestionBlank) r.unite(lexer.reachable_internal(t));
    else if (t.accepted != kNoSymbol) r.add(t.accepted);
    return r;
}

const char* JavaScriptScanner::ending(const LexState& s) const {
    switch (s.kind) {
        case kBlockComment:
        case kBlockStar: return "*/";
        case kTemplate:
        case kTemplateDollar: return "`";
        default: return "";
    }
}

}  // namespace codefusion
