#include "lexer.h"

namespace codefusion {

LexerTables::LexerTables(const ts::Language* l, const RuleTables* rules, u32 verify_words) {
    AutomatonLearner learner(l);
    if (verify_words != 0) learner.verify(verify_words, 1);
    classes = learner.classes;
    const u16 bad = static_cast<u16>(l->token_count + rules->pseudo_base.size() - 1);
    main = std::move(learner.main);
    keywords = std::move(learner.keywords);
    if (!rules->character_sets.empty()) {
        const std::vector<u32> old_class = classes.refine(rules->character_sets);
        main = main.widened(old_class);
        keywords = keywords.widened(old_class);
    }
    main = apply_filters(main, classes, rules->filters, rules->character_sets, bad);
    main.glue(rules->glued, bad);
}

Lexer::Lexer(const ts::Language* l, const LexerTables& tables, const RuleTables* rules)
    : language(l), classes(tables.classes), main(tables.main), keywords(tables.keywords) {
    keyword_capture_ = language->keyword_lex_fn != nullptr ? language->keyword_capture_token : kNoSymbol;
    blanks_restricted_ = !rules->blanks.empty();
    for (char c : rules->blanks) blank_[static_cast<u8>(c) & 127] = true;
}

void Lexer::attach(StateTable* s, std::unique_ptr<Scanner> sc) {
    states = s;
    scanner = std::move(sc);
}

void Lexer::start_internal(ModeId mode, LexState& s) const {
    s.kind = 0;
    s.q = main.canonical[states->mode(mode).lex.lex_state];
    s.keyword_q = keywords.num_states != 0 ? 0 : Automaton::kDead;
    s.accepted = main.accepts[s.q];  // a lexeme may be empty (the content of a raw string in Go)
    s.accepted_keyword = kNoSymbol;
    s.fresh = 1;
    s.newline_mode = scanner ? 0 : states->mode(mode).flags & 2;
}

LexState Lexer::start(ModeId mode, u32 offset) const {
    LexState s;
    s.accept_end = offset;
    start_internal(mode, s);
    if (scanner) scanner->start(*this, mode, s);
    return s;
}

LexState Lexer::text_start(ModeId mode) const { return scanner ? scanner->text_start(*this, mode) : start(mode); }

LexOutcome Lexer::push(LexState& s, u8 byte, u32 offset) const {
    if (s.missing != 0) {
        if ((byte & 0xc0) != 0x80) return {LexEvent::kDead};
        s.code_point = s.code_point << 6 | (byte & 63);
        if (--s.missing != 0) {
            // Overlong forms and surrogates show in the second byte of a character.
            const u32 low = s.code_point << (6 * s.missing);
            if ((s.missing == 1 && s.code_point < 32 && low < 0x800) ||
                (s.missing == 1 && low >= 0xd800 && low < 0xe000) || (s.missing == 2 && low < 0x10000) ||
                (s.missing == 2 && low > 0x10ffff))
                return {LexEvent::kDead};
            return {};
        }
        return read(s, s.code_point, s.char_start, offset + 1);
    }
    if (byte < 0x80) {
        if (byte == 0) return {LexEvent::kDead};
        return read(s, byte, offset, offset + 1);
    }
    if (byte < 0xc2 || byte > 0xf4) return {LexEvent::kDead};
    const int length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    s.code_point = byte & (0xff >> (length + 1));
    s.missing = static_cast<u8>(length - 1);
    s.char_start = offset;
    return {};
}

LexOutcome Lexer::read(LexState& s, u32 c, u32 char_start, u32 next_offset) const {
    const LexOutcome o = scanner ? scanner->read(*this, s, c, char_start, next_offset)
                                 : read_internal(s, c, char_start, next_offset);
    s.code_point = 0;
    return o;
}

LexOutcome Lexer::read_internal(LexState& s, u32 c, u32 /*char_start*/, u32 next_offset) const {
    const u32 cls = c == kEndOfText ? 0 : classes.of(c);
    u16 to = c == kEndOfText ? Automaton::kDead : main.step(s.q, cls);
    const bool skip = to != Automaton::kDead && main.skip(s.q, cls);
    if (skip && blanks_restricted_ && (c >= 128 || !blank_[c])) to = Automaton::kDead;
    if (skip && c == '\n' && s.newline_mode == 2) to = Automaton::kDead;
    if (to == Automaton::kDead) {
        if (s.accepted == kNoSymbol) return {LexEvent::kDead};
        return {LexEvent::kLexeme, s.accepted, s.accepted_keyword, s.accept_end, false};
    }
    s.q = to;
    if (s.accepted != kNoSymbol && main.forgets[to].has(s.accepted)) s.accepted = s.accepted_keyword = kNoSymbol;
    if (skip) {
        s.keyword_q = keywords.num_states != 0 ? 0 : Automaton::kDead;
    } else {
        s.fresh = 0;
        if (s.keyword_q != Automaton::kDead) s.keyword_q = keywords.step(s.keyword_q, cls);
    }
    if (main.accepts[to] != kNoSymbol) {
        s.accepted = main.accepts[to];
        s.accept_end = next_offset;
        s.accepted_keyword = s.accepted == keyword_capture_ && s.keyword_q != Automaton::kDead
                                 ? keywords.accepts[s.keyword_q]
                                 : kNoSymbol;
    }
    return {};
}

LexOutcome Lexer::finish(LexState& s, u32 offset) const {
    if (s.missing != 0) return {LexEvent::kDead};
    if (scanner) return scanner->read(*this, s, kEndOfText, offset, offset);
    if (s.fresh) return {};
    return read_internal(s, kEndOfText, offset, offset);
}

TerminalSet Lexer::reachable_internal(const LexState& s) const {
    TerminalSet r = main.reachable[s.q];
    if (keyword_capture_ != kNoSymbol && r.has(keyword_capture_) && s.keyword_q != Automaton::kDead)
        r.unite(keywords.reachable[s.keyword_q]);
    return r;
}

TerminalSet Lexer::reachable(const LexState& s) const {
    return scanner ? scanner->reachable(*this, s) : reachable_internal(s);
}

}  // namespace codefusion
