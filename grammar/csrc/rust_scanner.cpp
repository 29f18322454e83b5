#include "rust_scanner.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace codefusion {
namespace {

// Order of the external tokens in tree-sitter-rust; those of comments are never emitted.
enum External : u32 {
    kStringContent, kStringClose, kRawStringStart, kRawStringContent, kRawStringEnd, kFloatLiteral
};
constexpr u32 kExternalTokens = 11;

enum Kind : u8 {
    kInternal,      // the grammar's own lexer; while fresh, `detail`: Detail
    kSlash,         // fresh: a comment or a lexeme. In comments q is where the grammar's lexer starts behind them
    kLineComment,
    kBlockComment,  // start_mode: how many are open
    kBlockStar,
    kBlockSlash,
    // What begins as an integer or a name is read by the grammar's lexer at the same time.
    kNumber,
    kPoint,         // 1. is a number, 1.a and 1..2 are not
    kFraction,
    kExponent,      // no digit yet; kExponentSign: nor may a sign come
    kExponentSign,
    kExponentDigits,
    kSuffix,
    kSuffixDigits,
    kRawPrefix,     // b, c
    kRawLetter,     // r
    kRawHash,       // start_mode: hashes
    // `detail`: hashes of the string being read; start_mode: hashes read behind a quote
    kRawText,
    kRawQuote,
    kRawEnd,        // fresh: before the quote
    kString,        // fresh: the text is still empty
};

// `detail` between lexemes; of a name that is being read, kNameFollows and kLabel.
enum Detail : u16 {
    kMayBeFloat = 1,
    kMayBeRaw = 2,
    kNameFollows = 4,  // not `_`
    kLabel = 8,        // no word but `static` and `_`
    kNoBlank = 16,
    kDocsBind = 32,    // behind a doc comment something has to follow: not between a macro's brackets
    kDoc = 64,         // one has been read
    kDocHere = 128,    // the comment being read may be one
    kNoDocs = 256,     // none may stand here
};
constexpr u16 kOfNames = kNameFollows | kLabel, kUnboundDoc = kDocsBind | kDoc, kForbiddenDoc = kNoDocs | kDocHere;
// A block comment's first characters, beside how many are open, in start_mode.
constexpr u16 kOpening = 0x100, kOneStar = 0x200, kDepth = 0xff;

const LexOutcome kReadOn{};
const LexOutcome kRefused{LexEvent::kDead};

LexOutcome lexeme(u16 terminal, u32 end) { return {LexEvent::kLexeme, terminal, kNoSymbol, end, false}; }

bool is_digit(u32 c) { return c >= '0' && c <= '9'; }
bool begins_name(u32 c) { return c != kEndOfText && (c >= 128 || (c | 0x20) - 'a' < 26 || c == '_'); }

LexOutcome as_internal(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) {
    s.kind = kInternal;
    s.detail &= kOfNames;
    s.start_mode = 0;
    return lexer.read_internal(s, c, char_start, next_offset);
}

LexOutcome go_on(LexState& s, Kind kind) {
    s.kind = kind;
    return kReadOn;
}

LexOutcome number_so_far(LexState& s, Kind kind, u16 terminal, u32 end) {
    s.accepted = terminal;
    s.accept_end = end;
    return go_on(s, kind);
}

}  // namespace

RustScanner::RustScanner(const ts::Language* language) : language_(language) {
    const auto& e = language->external_scanner;
    if (language->external_token_count != kExternalTokens)
        throw GrammarError("expected the external tokens of tree-sitter-rust");
    string_content_ = e.symbol_map[kStringContent];
    string_close_ = e.symbol_map[kStringClose];
    raw_content_ = e.symbol_map[kRawStringContent];
    raw_end_ = e.symbol_map[kRawStringEnd];
    float_ = e.symbol_map[kFloatLiteral];
    first_variant_ = static_cast<u16>(language->token_count);
    for (u32 symbol = 1; symbol < language->token_count; symbol++) {
        const std::string_view name = language->symbol_names[symbol];
        if (name == "_") wildcard_ = static_cast<u16>(symbol);
        if (name == "static") static_word_ = static_cast<u16>(symbol);
    }
}

bool RustScanner::valid(const Lexer& lexer, ModeId mode, u32 external) const {
    const u16 row = lexer.states->mode(mode).lex.external_set;
    return row != 0 && language_->external_scanner.states[row * language_->external_token_count + external];
}

void RustScanner::start(const Lexer& lexer, ModeId mode, LexState& s) const {
    const u32 hashes = lexer.states->mode(mode).flags & kHashes;
    const bool may_be_float = valid(lexer, mode, kFloatLiteral);
    if (hashes != 0 && (valid(lexer, mode, kRawStringContent) || valid(lexer, mode, kRawStringEnd))) {
        s.kind = valid(lexer, mode, kRawStringContent) ? kRawText : kRawEnd;
        s.detail = static_cast<u16>(hashes - 1);
        return;
    }
    if (valid(lexer, mode, kStringContent) && !may_be_float) {
        s.kind = kString;
        return;
    }
    const u32 flags = lexer.states->mode(mode).flags;
    s.detail = static_cast<u16>((may_be_float ? kMayBeFloat : 0) | (valid(lexer, mode, kRawStringStart) ? kMayBeRaw : 0) |
                                ((flags & kNameFlag) != 0 ? kNameFollows : 0) | ((flags & kNoBlankFlag) != 0 ? kNoBlank : 0) |
                                ((flags & kDocsFlag) != 0 ? kDocsBind : 0) |
                                ((flags & kLabelFlag) == 0 ? 0 : (flags & kNoBlankFlag) != 0 ? kLabel : kNoDocs));
}

LexState RustScanner::text_start(const Lexer& lexer, ModeId mode) const { return lexer.start(mode); }

LexOutcome RustScanner::read(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const LexOutcome o = read_any(lexer, s, c, char_start, next_offset);
    if (o.event != LexEvent::kLexeme || o.keyword == kNoSymbol || s.kind != kInternal) return o;
    const auto& reserved = lexer.states->rules->reserved;
    const bool is_wrong_label = (s.detail & kLabel) != 0 && o.keyword != static_word_ &&
                                std::find(reserved.begin(), reserved.end(), o.keyword) != reserved.end();
    return is_wrong_label || ((s.detail & kNameFollows) != 0 && o.keyword == wildcard_) ? kRefused : o;
}

LexOutcome RustScanner::read_any(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    switch (s.kind) {
        case kInternal:
            if (s.fresh) return read_between(lexer, s, c, char_start, next_offset);
            return lexer.read_internal(s, c, char_start, next_offset);
        case kSlash:
        case kLineComment:
        case kBlockComment:
        case kBlockStar:
        case kBlockSlash: return read_comment(lexer, s, c, char_start, next_offset);
        case kRawPrefix:
        case kRawLetter:
        case kRawHash: return read_raw_start(lexer, s, c, char_start, next_offset);
        case kRawText:
        case kRawQuote:
        case kRawEnd: return read_raw_text(s, c, char_start, next_offset);
        case kString: return read_string(lexer, s, c, char_start, next_offset);
        default: return read_number(lexer, s, c, char_start, next_offset);
    }
}

// Blanks and comments so far.
LexOutcome RustScanner::read_between(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const bool closes = c == '}' || c == ')' || c == ']' || c == kEndOfText;
    if (closes && (s.detail & kUnboundDoc) == kUnboundDoc) return kRefused;
    if (c == kEndOfText) return kReadOn;
    if (c == '/') return (s.detail & kNoBlank) != 0 ? kRefused : go_on(s, kSlash);
    if (is_digit(c) && (s.detail & kMayBeFloat) != 0) s.kind = kNumber;
    if ((s.detail & kMayBeRaw) != 0) {
        if (c == 'r') s.kind = kRawLetter;
        if (c == 'b' || c == 'c') s.kind = kRawPrefix;
    }
    const LexOutcome o = lexer.read_internal(s, c, char_start, next_offset);
    if (!s.fresh) s.detail &= kOfNames;
    return s.fresh && (s.detail & kNoBlank) != 0 ? kRefused : o;
}

LexOutcome RustScanner::read_comment(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const auto end_comment = [&] {
        if ((s.detail & kDocHere) != 0) s.detail |= kDoc;
        s.detail &= static_cast<u16>(~kDocHere);
        s.start_mode = 0;
        return go_on(s, kInternal);
    };
    if (s.kind == kSlash) {
        if (c == '/' || c == '*') {
            s.start_mode = c == '/' ? 0 : kOpening | 1;
            return go_on(s, c == '/' ? kLineComment : kBlockComment);
        }
        const LexOutcome o = as_internal(lexer, s, '/', char_start - 1, char_start);
        return o.event == LexEvent::kAlive ? lexer.read_internal(s, c, char_start, next_offset) : o;
    }
    if (s.kind == kLineComment) {  // start_mode: slashes behind the first two; 2: any number of others
        if (s.start_mode == 0 && c == '!' && (s.detail & kNoDocs) != 0) return kRefused;
        if (s.start_mode == 1 && c != '/' && (s.detail & kForbiddenDoc) == kForbiddenDoc) return kRefused;
        if (c == '\n' || c == kEndOfText) {
            end_comment();
            return c == kEndOfText && (s.detail & kUnboundDoc) == kUnboundDoc ? kRefused : kReadOn;
        }
        if (s.start_mode == 0 && c == '/') s.detail |= kDocHere;
        if (s.start_mode == 1 && c == '/') s.detail &= static_cast<u16>(~kDocHere);
        s.start_mode = s.start_mode == 0 && c == '/' ? 1 : 2;
        return kReadOn;
    }
    if (c == kEndOfText) return kRefused;
    if ((s.start_mode & kOneStar) != 0) {
        s.start_mode &= kDepth;
        if (c == '*' || c == '/') s.detail &= static_cast<u16>(~kDocHere);
        if ((s.detail & kForbiddenDoc) == kForbiddenDoc) return kRefused;
    }
    if ((s.start_mode & kOpening) != 0) {
        s.start_mode &= kDepth;
        if (c == '!' && (s.detail & kNoDocs) != 0) return kRefused;
        if (c == '*') {
            s.start_mode |= kOneStar;
            s.detail |= kDocHere;
        }
    }
    if (s.kind == kBlockStar && c == '/') return --s.start_mode == 0 ? end_comment() : go_on(s, kBlockComment);
    if (s.kind == kBlockSlash && c == '*') return s.start_mode++ < kMaxDepth ? go_on(s, kBlockComment) : kRefused;
    return go_on(s, c == '*' ? kBlockStar : c == '/' ? kBlockSlash : kBlockComment);
}

LexOutcome RustScanner::read_number(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const bool goes_on = is_digit(c) || c == '_';
    const bool is_exponent = c == 'e' || c == 'E', is_suffix = c == 'f' || c == 'u' || c == 'i';
    switch (s.kind) {
        case kNumber:
            if (c == '.') return go_on(s, kPoint);
            if (is_exponent) return number_so_far(s, kExponent, kNoSymbol, 0);
            if (!goes_on) s.kind = kInternal;
            return lexer.read_internal(s, c, char_start, next_offset);
        case kPoint:
            if (c == '.' || begins_name(c)) break;
            if (is_digit(c)) return number_so_far(s, kFraction, float_, next_offset);
            return lexeme(float_, char_start);
        case kExponent:
            if (c == '+' || c == '-') return go_on(s, kExponentSign);
            [[fallthrough]];
        case kExponentSign:  // from `1e` there is no way back: the language reads a number without digits
            if (c == '_') return go_on(s, kExponentSign);
            return is_digit(c) ? number_so_far(s, kExponentDigits, float_, next_offset) : kRefused;
        case kFraction:
            if (is_exponent) return number_so_far(s, kExponent, kNoSymbol, 0);
            [[fallthrough]];
        case kExponentDigits:
            if (is_suffix) return go_on(s, kSuffix);
            if (goes_on) return number_so_far(s, static_cast<Kind>(s.kind), float_, next_offset);
            break;
        default:
            if (is_digit(c)) return number_so_far(s, kSuffixDigits, float_, next_offset);
    }
    return lexeme(s.accepted, s.accept_end);
}

LexOutcome RustScanner::read_raw_start(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (s.kind == kRawPrefix) {
        if (c != 'r') return as_internal(lexer, s, c, char_start, next_offset);
        s.kind = kRawLetter;
        return lexer.read_internal(s, c, char_start, next_offset);
    }
    if (c == '"') return lexeme(static_cast<u16>(first_variant_ + s.start_mode), next_offset);
    if (s.kind == kRawLetter) {
        if (c != '#') return as_internal(lexer, s, c, char_start, next_offset);
        s.kind = kRawHash;
        s.start_mode = 1;  // r#a is a name; behind anything else there is no way back to the name r
        if (lexer.read_internal(s, c, char_start, next_offset).event != LexEvent::kAlive) s.q = Automaton::kDead;
        s.accepted = s.accepted_keyword = kNoSymbol;
        return kReadOn;
    }
    if (c != '#') return s.q != Automaton::kDead ? as_internal(lexer, s, c, char_start, next_offset) : kRefused;
    s.q = Automaton::kDead;
    return s.start_mode++ < kMaxHashes ? kReadOn : kRefused;
}

LexOutcome RustScanner::read_raw_text(LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (c == kEndOfText) return kRefused;
    if (s.kind == kRawEnd) {
        if (!s.fresh) s.start_mode++;
        s.fresh = 0;
        return s.start_mode == s.detail ? lexeme(raw_end_, next_offset) : kReadOn;
    }
    s.fresh = 0;
    if (c == '"') {
        if (s.detail == 0) return lexeme(raw_content_, char_start);
        s.start_mode = 0;
        return number_so_far(s, kRawQuote, raw_content_, char_start);
    }
    if (s.kind == kRawQuote) {
        if (c == '#') return ++s.start_mode == s.detail ? lexeme(raw_content_, s.accept_end) : kReadOn;
        s.start_mode = 0;
        return number_so_far(s, kRawText, kNoSymbol, 0);
    }
    return kReadOn;
}

LexOutcome RustScanner::read_string(const Lexer& lexer, LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    if (c == kEndOfText) return kRefused;
    if (c != '"' && c != '\\') {
        s.fresh = 0;
        return kReadOn;
    }
    if (!s.fresh) return lexeme(string_content_, char_start);
    return c == '"' ? lexeme(string_close_, next_offset) : as_internal(lexer, s, c, char_start, next_offset);
}

TerminalSet RustScanner::reachable(const Lexer& lexer, const LexState& s) const {
    TerminalSet r;
    const auto add_raw = [&](u32 hashes) {
        for (u32 n = hashes; n <= kMaxHashes; n++) r.add(first_variant_ + n);
    };
    switch (s.kind) {
        case kInternal:
            r = lexer.reachable_internal(s);
            if (!s.fresh) return r;
            if ((s.detail & kMayBeFloat) != 0) r.add(float_);
            if ((s.detail & kMayBeRaw) != 0) add_raw(0);
            return r;
        case kSlash:
        case kLineComment:
        case kBlockComment:
        case kBlockStar:
        case kBlockSlash: return TerminalSet::all();  // a comment may come wherever a lexeme may
        case kNumber: r = lexer.reachable_internal(s); break;
        case kRawPrefix:
        case kRawLetter:
            r = lexer.reachable_internal(s);
            add_raw(0);
            return r;
        case kRawHash:
            if (s.q != Automaton::kDead) r = lexer.reachable_internal(s);
            add_raw(s.start_mode);
            return r;
        case kRawText:
        case kRawQuote: r.add(raw_content_); return r;
        case kRawEnd: r.add(raw_end_); return r;
        case kString:
            r.add(string_content_);
            if (!s.fresh) return r;
            r.unite(lexer.reachable_internal(s));
            r.add(string_close_);
            return r;
        default: break;
    }
    r.add(float_);
    return r;
}

const char* RustScanner::ending(const LexState& s) const {
    static constexpr char kHashSigns[] = "\"########";
    static const std::vector<std::string> stars = [] {  // by how many comments are open
        std::vector<std::string> texts{" "};
        while (texts.size() <= kMaxDepth) texts.push_back(texts.back() + "*/");
        return texts;
    }();
    const auto hashes = [](u32 n) { return kHashSigns + 1 + kMaxHashes - n; };
    switch (s.kind) {
        case kLineComment: return s.start_mode == 1 && (s.detail & kForbiddenDoc) == kForbiddenDoc ? "/" : "";
        case kBlockComment: return stars[s.start_mode & kDepth].c_str() + 1;
        case kBlockStar: return stars[s.start_mode & kDepth].c_str() + 2;
        case kBlockSlash: return stars[s.start_mode & kDepth].c_str();  // `/*` would open one more
        case kRawQuote: return hashes(s.detail - s.start_mode);
        case kRawText: {
            static constexpr const char* kQuoted[] = {"\"", "\"#", "\"##", "\"###", "\"####", "\"#####", "\"######",
                                                      "\"#######", "\"########"};
            return kQuoted[s.detail];
        }
        case kRawHash:
        case kString: return "\"";
        default: return "";
    }
}

}  // namespace codefusion
