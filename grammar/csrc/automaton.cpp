#include "automaton.h"

#include <map>
#include <set>
#include <unordered_map>

namespace codefusion {
namespace {

constexpr std::int32_t kSentinel = 0x7ffffff0;  // a code point no lexer knows: "something else follows"

void ignore_log(const ts::Lexer*, const char*, ...) {}

// Drives a compiled lexer over a word and folds what it does into a hash: at each character, which terminal it
// marked on entry and whether it advances, skips or stops.
struct Probe {
    ts::Lexer lexer{};  // first member: the callbacks cast back
    const std::int32_t* word = nullptr;
    std::size_t length = 0, position = 0;
    u64 hash = 1;
    bool marked = false, stopped = false, restart_after_first = false;
    u16 terminal = 0;
    int first = 0;  // 0 stopped, 1 advanced, 2 skipped on the first character

    Probe() {
        lexer.advance = [](ts::Lexer* l, bool skip) { reinterpret_cast<Probe*>(l)->advance(skip); };
        lexer.mark_end = [](ts::Lexer* l) {
            auto* p = reinterpret_cast<Probe*>(l);
            p->marked = true;
            p->terminal = l->result_symbol;
        };
        lexer.get_column = [](ts::Lexer*) -> u32 { return 0; };
        lexer.is_at_included_range_start = [](const ts::Lexer*) { return false; };
        lexer.eof = [](const ts::Lexer* l) { return reinterpret_cast<const Probe*>(l)->stopped; };
        lexer.log = ignore_log;
    }
    void flush(u64 action) {
        hash = hash_combine(hash, (marked ? terminal + 1ull : 0ull) * 4 + action);
        marked = false;
    }
    void advance(bool skip) {
        if (stopped) {
            lexer.lookahead = 0;
            return;
        }
        if (position >= length) {  // it consumed the sentinel: what follows no longer tells states apart
            stopped = true;
            flush(3);
            lexer.lookahead = 0;
            return;
        }
        if (position == 0) first = 1 + skip;
        if (position == 0 && restart_after_first) {
            hash = 1;
            marked = false;
        } else {
            flush(1 + skip);
        }
        position++;
        lexer.lookahead = position < length ? word[position] : kSentinel;
    }
    // The events from `state` over the word; with restart, only those after the first character.
    u64 run(LexFunction f, u32 state, const std::int32_t* w, std::size_t n, bool restart = false) {
        word = w;
        length = n;
        position = 0;
        hash = 1;
        marked = stopped = false;
        restart_after_first = restart;
        terminal = 0;
        first = 0;
        lexer.result_symbol = 0;
        lexer.lookahead = n ? w[0] : kSentinel;
        f(&lexer, static_cast<ts::StateId>(state));
        if (!stopped) flush(0);
        return hash;
    }
    int first_action(LexFunction f, u32 state, std::int32_t c) {
        run(f, state, &c, 1);
        return first;
    }
};

// The terminal marked before the first advance.
u16 accepted_on_entry(LexFunction f, u32 state) {
    struct Entry {
        ts::Lexer lexer{};
        bool moved = false;
        u16 terminal = kNoSymbol;
    } e;
    e.lexer.lookahead = kSentinel;
    e.lexer.advance = [](ts::Lexer* l, bool) {
        reinterpret_cast<Entry*>(l)->moved = true;
        l->lookahead = 0;
    };
    e.lexer.mark_end = [](ts::Lexer* l) {
        auto* p = reinterpret_cast<Entry*>(l);
        if (!p->moved) p->terminal = l->result_symbol;
    };
    e.lexer.get_column = [](ts::Lexer*) -> u32 { return 0; };
    e.lexer.is_at_included_range_start = [](const ts::Lexer*) { return false; };
    e.lexer.eof = [](const ts::Lexer* l) { return reinterpret_cast<const Entry*>(l)->moved; };
    e.lexer.log = ignore_log;
    f(&e.lexer, static_cast<ts::StateId>(state));
    return e.terminal;
}

bool is_surrogate(u32 c) { return c >= 0xd800 && c < 0xe000; }

}  // namespace

AutomatonLearner::AutomatonLearner(const ts::Language* language) : language_(language) {
    num_main_ = count_states(language->lex_fn);
    num_keyword_ = language->keyword_lex_fn != nullptr ? count_states(language->keyword_lex_fn) : 0;
    find_classes();
    main = learn(language->lex_fn, num_main_);
    if (num_keyword_ != 0) keywords = learn(language->keyword_lex_fn, num_keyword_);
}

// State numbers past the last one fall to the generated `default:` and do nothing.
u32 AutomatonLearner::count_states(LexFunction f) const {
    Probe probe;
    const u64 idle = hash_combine(1, 0);
    int last = -1;
    for (int q = 0; q < 65536 && q - last <= 3000; q++) {
        bool live = probe.run(f, static_cast<u32>(q), nullptr, 0) != idle;
        for (std::int32_t c = 0; c < 128 && !live; c++) live = probe.first_action(f, static_cast<u32>(q), c) != 0;
        if (live) last = q;
    }
    return static_cast<u32>(last + 1);
}

// One-character experiments over all of Unicode, for those states whose behaviour beyond ASCII is not uniform.
void AutomatonLearner::find_classes() {
    Probe probe;
    std::vector<u64> signature(0x110000, 1);
    std::set<u64> swept;
    const auto sweep = [&](LexFunction f, u32 num_states, u64 which) {
        for (u32 q = 0; q < num_states; q++) {
            const int at_start = probe.first_action(f, q, 0x80);
            bool uniform = true;
            for (std::int32_t c = 0x80; c < 0x3100 && uniform; c++) uniform = probe.first_action(f, q, c) == at_start;
            for (std::int32_t c = 0x3100; c < 0x110000 && uniform; c += 61)
                uniform = probe.first_action(f, q, c) == at_start;
            if (uniform) continue;
            u64 sample = which;
            for (std::int32_t c = 0x80; c < 0x110000; c += 37)
                sample = hash_combine(sample, static_cast<u64>(probe.first_action(f, q, c)));
            if (!swept.insert(sample).second) continue;  // behaves like a state already swept
            for (u32 c = 0x80; c < 0x110000; c++)
                if (!is_surrogate(c))
                    signature[c] = hash_combine(signature[c], static_cast<u64>(probe.first_action(f, q, static_cast<std::int32_t>(c))));
        }
    };
    sweep(language_->lex_fn, num_main_, 1);
    if (num_keyword_ != 0) sweep(language_->keyword_lex_fn, num_keyword_, 2);
    for (u32 c = 0; c < 128; c++) classes.representatives.push_back(c);
    std::unordered_map<u64, u16> ids;
    u64 previous = 0;
    for (u32 c = 0x80; c < 0x110000; c++) {
        if (is_surrogate(c) || (c != 0x80 && signature[c] == previous)) continue;
        previous = signature[c];
        const auto [it, is_new] = ids.emplace(previous, static_cast<u16>(classes.num_classes));
        if (is_new) {
            classes.representatives.push_back(c);
            classes.num_classes++;
        }
        classes.interval_starts.push_back(c);
        classes.interval_class.push_back(it->second);
    }
}

Automaton AutomatonLearner::learn(LexFunction f, u32 num_states) const {
    Probe probe;
    Automaton a;
    const u32 nc = classes.num_classes;
    a.num_states = num_states;
    a.num_classes = nc;
    a.next.assign(static_cast<std::size_t>(num_states) * nc, Automaton::kDead);
    a.skips.assign(a.next.size(), 0);
    a.accepts.resize(num_states);
    std::vector<u8> live(a.next.size());
    std::vector<std::int32_t> rep(classes.representatives.begin(), classes.representatives.end());
    for (u32 q = 0; q < num_states; q++) {
        a.accepts[q] = accepted_on_entry(f, q);
        for (u32 c = 0; c < nc; c++) {
            const int action = probe.first_action(f, q, rep[c]);
            live[q * nc + c] = action != 0;
            a.skips[q * nc + c] = action == 2;
        }
    }
    // words: the experiments. fp: a state's outcomes; fq: the outcomes after state q read a character of class c.
    std::vector<std::vector<std::int32_t>> words{{}};
    for (u32 c = 0; c < nc; c++) words.push_back({rep[c]});
    std::vector<std::vector<u64>> outcomes(num_states);
    std::vector<u64> fp(num_states, 7), fq(a.next.size(), 7);
    std::vector<u32> group(num_states), group_state;
    for (std::size_t done = 0;;) {
        for (; done < words.size(); done++) {
            const auto& w = words[done];
            std::vector<std::int32_t> longer{0};
            longer.insert(longer.end(), w.begin(), w.end());
            for (u32 q = 0; q < num_states; q++) {
                outcomes[q].push_back(probe.run(f, q, w.data(), w.size()));
                fp[q] = hash_combine(fp[q], outcomes[q].back());
                for (u32 c = 0; c < nc; c++) {
                    if (!live[q * nc + c]) continue;
                    longer[0] = rep[c];
                    fq[q * nc + c] = hash_combine(fq[q * nc + c], probe.run(f, q, longer.data(), longer.size(), true));
                }
            }
        }
        std::unordered_map<u64, u32> group_of;
        group_state.clear();
        for (u32 q = 0; q < num_states; q++) {
            const auto [it, is_new] = group_of.emplace(fp[q], static_cast<u32>(group_state.size()));
            if (is_new) group_state.push_back(q);
            group[q] = it->second;
        }
        bool unknown = false;
        for (std::size_t i = 0; i < fq.size(); i++) {
            if (!live[i]) continue;
            const auto it = group_of.find(fq[i]);
            unknown |= it == group_of.end();
            a.next[i] = it == group_of.end() ? Automaton::kDead : static_cast<u16>(group_state[it->second]);
        }
        // Two states of one group that disagree on a target are told apart by the word that tells the targets apart.
        std::set<std::vector<std::int32_t>> more;
        for (u32 q = 0; q < num_states && more.size() < 4000; q++) {
            const u32 r = group_state[group[q]];
            for (u32 c = 0; c < nc && r != q; c++) {
                const u16 x = a.next[q * nc + c], y = a.next[r * nc + c];
                if (x == y || x == Automaton::kDead || y == Automaton::kDead) continue;
                for (std::size_t w = 0; w < words.size(); w++) {
                    if (outcomes[x][w] == outcomes[y][w]) continue;
                    std::vector<std::int32_t> word{rep[c]};
                    word.insert(word.end(), words[w].begin(), words[w].end());
                    more.insert(word);
                    break;
                }
                break;
            }
        }
        bool grew = false;
        for (const auto& w : more) {
            if (w.size() >= 250 || std::find(words.begin(), words.end(), w) != words.end()) continue;
            words.push_back(w);
            grew = true;
        }
        if (grew) continue;
        if (unknown) throw GrammarError("the compiled lexer does not behave like a finite automaton");
        break;
    }
    a.canonical.resize(num_states);
    for (u32 q = 0; q < num_states; q++) a.canonical[q] = static_cast<u16>(group_state[group[q]]);
    a.finish();
    return a;
}

void Automaton::finish() {
    reachable.assign(num_states, TerminalSet{});
    for (u32 q = 0; q < num_states; q++)
        if (accepts[q] != kNoSymbol) reachable[q].add(accepts[q]);
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 q = num_states; q-- > 0;)
            for (u32 c = 0; c < num_classes; c++)
                if (const u16 t = step(q, c); t != kDead) changed |= reachable[q].unite(reachable[t]);
    }
    // A state that cannot die before its next accept (inside a C comment, say) makes an earlier accept meaningless.
    // NUL (class 0) never occurs in text.
    std::vector<u8> safe(num_states, 1);
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 q = 0; q < num_states; q++)
            for (u32 c = 1; c < num_classes && safe[q]; c++) {
                const u16 t = step(q, c);
                if (t == kDead || (accepts[t] == kNoSymbol && !safe[t])) {
                    safe[q] = 0;
                    changed = true;
                }
            }
    }
    forgets.resize(num_states);
    for (u32 q = 0; q < num_states; q++)
        if (safe[q] && accepts[q] == kNoSymbol) forgets[q] = TerminalSet::all();
}

void AutomatonLearner::verify(u32 num_words, u64 seed) const {
    Probe probe;
    const auto check = [&](LexFunction f, const Automaton& a, const char* which) {
        if (a.num_states == 0) return;
        for (u32 n = 0; n < num_words; n++) {
            const u32 start = static_cast<u32>(mix64(seed++) % a.num_states);
            std::vector<std::int32_t> word;
            u64 expected = 1;
            u32 q = start;
            const std::size_t length = mix64(seed++) % 12;
            bool dead = false;
            for (std::size_t i = 0; i < length; i++) {
                // Mostly characters that lead on, so that words go deep.
                u32 cls = static_cast<u32>(mix64(seed++) % a.num_classes);
                for (u32 tries = 0; tries < 20 && !dead && a.step(q, cls) == Automaton::kDead; tries++)
                    cls = static_cast<u32>(mix64(seed++) % a.num_classes);
                word.push_back(static_cast<std::int32_t>(classes.representatives[cls]));
                if (dead) continue;
                const u64 mark = a.accepts[q] == kNoSymbol ? 0 : a.accepts[q] + 1ull;
                const u16 t = a.step(q, cls);
                dead = t == Automaton::kDead;
                expected = hash_combine(expected, mark * 4 + (dead ? 0 : 1 + a.skip(q, cls)));
                if (!dead) q = t;
            }
            const u64 got = probe.run(f, start, word.data(), word.size());
            if (dead && got != expected)
                throw GrammarError(std::string("the learnt ") + which + " automaton differs from the compiled one");
        }
    };
    check(language_->lex_fn, main, "lexer");
    if (num_keyword_ != 0) check(language_->keyword_lex_fn, keywords, "keyword");
}

namespace {

// Bit i: in set i. A set is its ranges, first and last in turn.
u32 membership(const std::vector<std::vector<u32>>& sets, u32 code_point) {
    u32 bits = 0;
    for (std::size_t i = 0; i < sets.size(); i++) {
        const auto behind = static_cast<std::size_t>(
            std::upper_bound(sets[i].begin(), sets[i].end(), code_point) - sets[i].begin());
        if (behind % 2 == 1 || (behind > 0 && sets[i][behind - 1] == code_point)) bits |= 1u << i;
    }
    return bits;
}

}  // namespace

std::vector<u32> CharClasses::refine(const std::vector<std::vector<u32>>& sets) {
    std::set<u32> starts(interval_starts.begin(), interval_starts.end());
    for (const auto& ends : sets)
        for (std::size_t i = 0; i < ends.size(); i++)
            if (const u32 c = ends[i] + i % 2; c < 0x110000) starts.insert(c);
    std::vector<u32> old_class(128);
    for (u32 c = 0; c < 128; c++) old_class[c] = c;
    std::map<std::pair<u32, u32>, u16> ids;
    CharClasses refined;
    refined.representatives.assign(representatives.begin(), representatives.begin() + 128);
    for (const u32 c : starts) {
        const u32 first = is_surrogate(c) ? 0xe000 : c;
        const auto [it, is_new] = ids.emplace(std::pair{of(first), membership(sets, first)}, static_cast<u16>(refined.num_classes));
        if (is_new) {
            refined.representatives.push_back(first);
            old_class.push_back(of(first));
            refined.num_classes++;
        }
        refined.interval_starts.push_back(c);
        refined.interval_class.push_back(it->second);
    }
    *this = std::move(refined);
    return old_class;
}

void Automaton::glue(const std::vector<u16>& pairs, u16 bad) {
    if (pairs.empty()) return;
    const auto trap = static_cast<u16>(num_states);
    if (trap == kDead) throw GrammarError("glued operators make the lexer too large");
    for (u32 q = 0; q < num_states; q++)
        for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
            if (u16& to = next[static_cast<std::size_t>(q) * num_classes + pairs[i + 1]]; accepts[q] == pairs[i] && to == kDead) to = trap;
    num_states++;
    next.resize(next.size() + num_classes, kDead);
    skips.resize(next.size(), 0);
    accepts.push_back(bad);
    canonical.push_back(trap);
    finish();
}

Automaton Automaton::widened(const std::vector<u32>& old_class) const {
    Automaton a;
    a.num_states = num_states;
    a.num_classes = static_cast<u32>(old_class.size());
    a.accepts = accepts;
    a.canonical = canonical;
    for (u32 q = 0; q < num_states; q++)
        for (const u32 c : old_class) {
            a.next.push_back(step(q, c));
            a.skips.push_back(skip(q, c));
        }
    a.finish();
    return a;
}

bool LexemeFilter::can_commit(u8 state) const {
    std::vector<u8> seen(num_states, 0), work{state};
    while (!work.empty()) {
        const u8 s = work.back();
        work.pop_back();
        if (commit[s]) return true;
        for (u32 c = 0; c < kClasses; c++)
            if (const u8 t = next[s * kClasses + c]; t != kDead && !seen[t]) {
                seen[t] = 1;
                work.push_back(t);
            }
    }
    return false;
}

Automaton apply_filters(const Automaton& a, const CharClasses& classes, const std::vector<LexemeFilter>& filters,
                        const std::vector<std::vector<u32>>& sets, u16 bad) {
    if (filters.empty()) return a;
    // A product state is (lexer state, one filter state each); filters that no longer matter are kDead.
    struct State {
        u16 q;
        std::vector<u8> f;
        bool operator<(const State& o) const { return q != o.q ? q < o.q : f < o.f; }
    };
    const std::size_t nf = filters.size();
    std::vector<u32> columns;
    for (const u32 c : classes.representatives) columns.push_back(c < 128 ? c : 128 + membership(sets, c));
    // A filter with a commit pattern matters until that pattern is decided, also behind its terminal.
    const auto relevant = [&](u16 q, std::size_t i, u8 state) {
        if (state != 0 && state != LexemeFilter::kDead && filters[i].can_commit(state)) return true;
        for (u16 t : filters[i].terminals)
            if (a.reachable[q].has(t)) return true;
        return false;
    };
    std::vector<State> states;
    std::map<State, u16> ids;
    const auto id_of = [&](State s) {
        for (std::size_t i = 0; i < nf; i++)
            if (!relevant(s.q, i, s.f[i])) s.f[i] = LexemeFilter::kDead;
        const auto [it, is_new] = ids.emplace(s, static_cast<u16>(states.size()));
        if (is_new) {
            if (states.size() >= Automaton::kDead) throw GrammarError("lexeme rules make the lexer too large");
            states.push_back(s);
        }
        return it->second;
    };
    Automaton r;
    r.num_classes = a.num_classes;
    for (u32 q = 0; q < a.num_states; q++) {  // kept in place even where two would be the same product state
        State s{static_cast<u16>(q), std::vector<u8>(nf, 0)};
        for (std::size_t i = 0; i < nf; i++)
            if (!relevant(s.q, i, 0)) s.f[i] = LexemeFilter::kDead;
        ids.emplace(s, static_cast<u16>(states.size()));
        states.push_back(s);
    }
    for (std::size_t n = 0; n < states.size(); n++) {
        const State s = states[n];
        const u16 accept = a.accepts[s.q];
        u16 becomes = accept;
        bool refused = false;
        TerminalSet forgets;
        for (std::size_t i = 0; i < nf; i++) {
            const LexemeFilter& f = filters[i];
            const bool ours = accept != kNoSymbol && std::find(f.terminals.begin(), f.terminals.end(), accept) != f.terminals.end();
            const u8 at = s.f[i];
            const u8 matches = at != LexemeFilter::kDead ? f.accepting[at] : 0;
            if (ours && !f.variants.empty()) becomes = f.variants[matches];
            else if (ours) refused |= matches == 0;
            if (at != LexemeFilter::kDead && f.commit[at])
                for (u16 t : f.terminals) forgets.add(t);
        }
        r.accepts.push_back(refused ? bad : becomes);
        r.forgets.push_back(forgets);
        for (u32 c = 0; c < a.num_classes; c++) {
            const u16 t = a.step(s.q, c);
            const bool skip = a.skip(s.q, c);
            r.skips.push_back(skip);
            if (t == Automaton::kDead) {
                r.next.push_back(Automaton::kDead);
                continue;
            }
            State u{t, s.f};
            for (std::size_t i = 0; i < nf; i++) {
                if (skip) u.f[i] = 0;
                else if (u.f[i] != LexemeFilter::kDead) u.f[i] = filters[i].next[u.f[i] * LexemeFilter::kClasses + columns[c]];
            }
            r.next.push_back(id_of(u));
        }
    }
    r.num_states = static_cast<u32>(states.size());
    r.canonical.resize(r.num_states);
    for (u32 q = 0; q < r.num_states; q++) r.canonical[q] = q < a.num_states ? a.canonical[q] : static_cast<u16>(q);
    r.finish();
    return r;
}

}  // namespace codefusion
