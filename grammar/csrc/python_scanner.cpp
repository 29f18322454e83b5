#include "python_scanner.h"

namespace codefusion {
namespace {

// Order of the external tokens in tree-sitter-python.
enum External : u32 { kNewline, kIndent, kDedent, kStringStart, kStringContent, kEscapeInterpolation, kStringEnd };

enum Kind : u8 {
    kInternal,       // the grammar's own lexer; `detail`: 1 + prefix letters read, 0 when no string can start
    kLineStart,      // blank lines and comment lines; `detail`: a logical line ended before
    kLineBlanks,     // the same, behind blanks: the column is not 0
    kLineComment,    // a comment in that region
    // Behind a backslash in column 0, its \r, its \n: the line goes on, its column is still to come; it is not the last.
    kLineJoin, kLineJoinCarriage, kLineJoined,
    kOpen1, kOpen2,  // one or two quotes read; `detail`: string kind
    kContent,        // inside a string, nothing pending; fresh: the piece is still empty
    kRawBackslash, kRawCarriage,
    kBytesBackslash,
    kClose1, kClose2,  // one or two quotes of a closing triple
    kBrace,          // { or } of an f-string; newline_mode: which
};

// String kinds: 4 * prefix + 2 * triple + double quote. Prefixes: 0 none or u, 1 r, 2 b, 3 br, 4 f, 5 fr.
bool is_raw(u16 d) { return d / 4 == 1 || d / 4 == 3 || d / 4 == 5; }
bool is_bytes(u16 d) { return d / 4 == 2 || d / 4 == 3; }
bool is_format(u16 d) { return d / 4 >= 4; }
bool is_triple(u16 d) { return (d & 2) != 0; }
u32 quote(u16 d) { return (d & 1) != 0 ? '"' : '\''; }

constexpr u16 kR = 1, kB = 2, kF = 4, kU = 8;

// The prefix after one more letter; 0xffff when no string prefix has it.
u16 add_letter(u16 letters, u32 c) {
    const u32 lower = c | 0x20;
    const u16 bit = lower == 'r' ? kR : lower == 'b' ? kB : lower == 'f' ? kF : lower == 'u' ? kU : 0;
    if (bit == 0 || (letters & bit) != 0) return 0xffff;
    const u16 both = letters | bit;
    if (letters != 0 && both != (kR | kB) && both != (kR | kF)) return 0xffff;
    return both;
}

u16 prefix_kind(u16 letters) {
    switch (letters) {
        case kR: return 1;
        case kB: return 2;
        case kR | kB: return 3;
        case kF: return 4;
        case kR | kF: return 5;
        default: return 0;  // none, u
    }
}

LexOutcome lexeme(u16 terminal, u32 end) { return {LexEvent::kLexeme, terminal, kNoSymbol, end, false}; }
const LexOutcome kReadOn{};
const LexOutcome kRefused{LexEvent::kDead};

}  // namespace

PythonScanner::PythonScanner(const ts::Language* language) : language_(language) {
    const auto& e = language->external_scanner;
    if (language->external_token_count < 7) throw GrammarError("expected tree-sitter-python's external tokens");
    newline = e.symbol_map[kNewline];
    indent = e.symbol_map[kIndent];
    dedent = e.symbol_map[kDedent];
    string_content_ = e.symbol_map[kStringContent];
    escape_interpolation_ = e.symbol_map[kEscapeInterpolation];
    string_end_ = e.symbol_map[kStringEnd];
    first_variant_ = static_cast<u16>(language->token_count);
}

bool PythonScanner::valid(const Lexer& lexer, ModeId mode, u32 external) const {
    const u16 row = lexer.states->mode(mode).lex.external_set;
    return row != 0 && language_->external_scanner.states[row * language_->external_token_count + external];
}

void PythonScanner::start(const Lexer& lexer, ModeId mode, LexState& s) const {
    const u32 flags = lexer.states->mode(mode).flags;
    const u32 content = flags >> 2 & 63;
    if (content != 0 && valid(lexer, mode, kStringContent)) {
        s = LexState{};
        s.kind = kContent;
        s.detail = static_cast<u16>(content - 1);
        s.start_mode = mode;
        // Inside a field of an f-string: 2 even ''' has to stay on the line, 4 no backslash, 8 no ', 16 no ".
        s.newline_mode = static_cast<u8>((flags & 2) | (flags >> 6 & 28));
        return;
    }
    s.newline_mode = flags & 3;
    s.detail = valid(lexer, mode, kStringStart) ? 1 : 0;
}

LexState PythonScanner::text_start(const Lexer&, ModeId) const {
    LexState s;
    s.kind = kLineStart;
    return s;
}

LexOutcome PythonScanner::read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    switch (s.kind) {
        case kInternal:
            if (s.fresh) return read_fresh(lexer, s, c, char_start, next_offset);
            if (s.detail != 0) {
                if (c == '"' || c == '\'') return read_fresh(lexer, s, c, char_start, next_offset);
                const u16 letters = add_letter(s.detail - 1, c);
                s.detail = letters == 0xffff ? 0 : letters + 1;
            }
            return lexer.read_internal(s, c, char_start, next_offset);
        case kLineStart:
        case kLineBlanks: return read_line_start(s, c, char_start);
        case kLineComment:
            if (c == '\n' || c == '\r' || c == kEndOfText) {
                s.kind = kLineStart;
                return read_line_start(s, c, char_start);
            }
            return kReadOn;
        case kLineJoin:
        case kLineJoinCarriage:
            if (c == '\r' && s.kind == kLineJoin) {
                s.kind = kLineJoinCarriage;
                return kReadOn;
            }
            if (c != '\n') return kRefused;
            s.kind = kLineJoined;
            return kReadOn;
        case kLineJoined:
            if (c == kEndOfText) return kRefused;
            s.kind = kLineStart;
            return read_line_start(s, c, char_start);
        case kOpen1:
            if (c != quote(s.detail)) return lexeme(s.accepted, s.accept_end);
            s.kind = kOpen2;
            return kReadOn;
        case kOpen2:
            if (c != quote(s.detail)) return lexeme(s.accepted, s.accept_end);  // an empty string
            return lexeme(first_variant_ + (s.detail | 2), next_offset);
        default: break;
    }
    if (c == kEndOfText) return kRefused;  // an open string
    switch (s.kind) {
        case kRawBackslash:
            if (c == quote(s.detail) || c == '\\' || c == '\n') {
                s.kind = kContent;
                return kReadOn;
            }
            if (c == '\r') {
                s.kind = kRawCarriage;
                return kReadOn;
            }
            return as_content(lexer, s, c, char_start, next_offset);
        case kRawCarriage:
            if (c != '\n') return as_content(lexer, s, c, char_start, next_offset);
            s.kind = kContent;
            return kReadOn;
        case kBytesBackslash:
            if (c == 'N' || c == 'u' || c == 'U') {  // no escapes in bytes: the backslash stands for itself
                s.kind = kContent;
                s.fresh = 0;
                return kReadOn;
            }
            lexer.start_internal(s.start_mode, s);
            s.detail = 0;
            lexer.read_internal(s, '\\', char_start - 1, char_start);
            return lexer.read_internal(s, c, char_start, next_offset);
        case kClose1:
            if (c != quote(s.detail)) return as_content(lexer, s, c, char_start, next_offset);
            s.kind = kClose2;
            return kReadOn;
        case kClose2:
            if (c != quote(s.detail)) return as_content(lexer, s, c, char_start, next_offset);
            return lexeme(string_end_, next_offset);
        case kBrace: {
            const u32 brace = s.newline_mode == 0 ? '{' : '}';
            if (c == brace) return lexeme(escape_interpolation_, next_offset);
            lexer.start_internal(s.start_mode, s);
            s.detail = 0;
            s.newline_mode = 0;
            const LexOutcome o = lexer.read_internal(s, brace, char_start - 1, char_start);
            if (o.event != LexEvent::kAlive) return o;
            return lexer.read_internal(s, c, char_start, next_offset);
        }
        default: return read_content(lexer, s, c, char_start, next_offset);
    }
}

LexOutcome PythonScanner::as_content(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    s.kind = kContent;
    s.fresh = 0;
    return read_content(lexer, s, c, char_start, next_offset);
}

// Nothing but blanks read, or string prefix letters.
LexOutcome PythonScanner::read_fresh(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (s.fresh && (c == '\n' || c == '\r' || c == kEndOfText)) {
        if (c == kEndOfText) {
            if (s.newline_mode != 0) return kRefused;
            LexOutcome o{LexEvent::kResolve};
            o.end = char_start;
            o.crossed_newline = true;
            s.column = s.alt_column = 0;
            return o;
        }
        if (s.newline_mode == 2) return kRefused;
        if (s.newline_mode == 1) return lexer.read_internal(s, c, char_start, next_offset);
        s = LexState{};
        s.kind = kLineStart;
        s.detail = 1;
        return kReadOn;
    }
    if (s.detail != 0 && (c == '"' || c == '\'')) {
        const u16 d = prefix_kind(s.detail - 1) * 4 + (c == '"');
        s = LexState{};
        s.kind = kOpen1;
        s.fresh = 0;
        s.detail = d;
        s.accepted = first_variant_ + d;
        s.accept_end = next_offset;
        return kReadOn;
    }
    if (s.detail != 0 && c != ' ' && c != '\t' && c != '\f') {
        const u16 letters = add_letter(s.detail - 1, c);
        s.detail = letters == 0xffff ? 0 : letters + 1;
    }
    return lexer.read_internal(s, c, char_start, next_offset);
}

LexOutcome PythonScanner::read_line_start(LexState& s, u32 c, u32 char_start) const {
    switch (c) {
        case ' ':
            s.kind = kLineBlanks;
            s.column++;
            s.alt_column++;
            return kReadOn;
        case '\t':  // CPython: a tab goes to the next multiple of 8, and to the next column in the second count
            s.kind = kLineBlanks;
            s.column = (s.column / 8 + 1) * 8;
            s.alt_column++;
            return kReadOn;
        case '\f':
        case '\r':  // CPython reads \r, \n and \r\n as line ends
        case '\n':
            s.kind = kLineStart;
            s.column = s.alt_column = 0;
            return kReadOn;
        case '#':
            s.kind = kLineComment;
            s.column = s.alt_column = 0;  // whatever the comment's column is
            return kReadOn;
        case '\\':  // behind blanks it leaves the column as it is: then it only joins lines
            if (s.kind == kLineBlanks) break;
            s.kind = kLineJoin;
            return kReadOn;
        case kEndOfText: s.column = s.alt_column = 0; break;
        default: break;
    }
    LexOutcome o{LexEvent::kResolve};
    o.end = char_start;
    o.crossed_newline = s.detail != 0;
    return o;
}

LexOutcome PythonScanner::read_content(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const u16 d = s.detail;
    if ((c == '\'' && (s.newline_mode & 8) != 0) || (c == '"' && (s.newline_mode & 16) != 0)) return kRefused;
    if (c == quote(d)) {
        if (!s.fresh) return lexeme(string_content_, char_start);
        if (!is_triple(d)) return lexeme(string_end_, next_offset);
        s.kind = kClose1;
        return kReadOn;
    }
    if (c == '\\') {
        if ((s.newline_mode & 4) != 0) return kRefused;
        if (is_raw(d)) {
            s.kind = kRawBackslash;
            s.fresh = 0;
            return kReadOn;
        }
        if (!s.fresh) return lexeme(string_content_, char_start);
        if (is_bytes(d)) {
            s.kind = kBytesBackslash;
            return kReadOn;
        }
        lexer.start_internal(s.start_mode, s);
        s.detail = 0;
        return lexer.read_internal(s, c, char_start, next_offset);
    }
    if ((c == '{' || c == '}') && is_format(d)) {
        if (!s.fresh) return lexeme(string_content_, char_start);
        s.kind = kBrace;
        s.newline_mode = c == '}';
        return kReadOn;
    }
    if ((c == '\n' || c == '\r') && (!is_triple(d) || (s.newline_mode & 2) != 0)) return kRefused;
    if (c >= 128 && is_bytes(d)) return kRefused;
    s.fresh = 0;
    return kReadOn;
}

TerminalSet PythonScanner::reachable(const Lexer& lexer, const LexState& s) const {
    TerminalSet r;
    switch (s.kind) {
        case kInternal: {
            r = lexer.reachable_internal(s);
            if (s.fresh && s.newline_mode == 0) {
                r.add(newline);
                r.add(indent);
            }
            if (s.detail == 0) return r;
            const u16 letters = s.detail - 1;
            for (u16 kind = 0; kind < 6; kind++) {
                // The prefix of `kind` as letters; what has been read must be part of it.
                static const u16 kLetters[6] = {kU, kR, kB, kR | kB, kF, kR | kF};
                if ((letters & ~kLetters[kind]) != 0) continue;
                for (u16 v = 0; v < 4; v++) r.add(first_variant_ + kind * 4u + v);
            }
            return r;
        }
        case kLineStart:
        case kLineBlanks:
        case kLineComment:
        case kLineJoin:
        case kLineJoinCarriage:
        case kLineJoined:
            if (s.detail == 0) return TerminalSet::all();
            r.add(newline);
            r.add(indent);
            return r;
        case kOpen1:
            r.add(first_variant_ + s.detail);
            r.add(first_variant_ + (s.detail | 2u));
            return r;
        case kOpen2: r.add(first_variant_ + (s.detail | 2u)); return r;
        case kBrace: {
            r.add(escape_interpolation_);
            LexState t;
            lexer.start_internal(s.start_mode, t);
            if (lexer.read_internal(t, s.newline_mode == 0 ? '{' : '}', 0, 1).event == LexEvent::kAlive)
                r.unite(lexer.reachable_internal(t));
            return r;
        }
        default: return TerminalSet::all();
    }
}

}  // namespace codefusion
