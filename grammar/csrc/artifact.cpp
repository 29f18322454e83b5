#include "artifact.h"

#include "serialize.h"

namespace codefusion {
namespace {

constexpr u32 kMagic = 0x32504c53;  // "SLP2"

struct PlainMode {
    u16 lex_state, external_set, reserved_set, unused;
    u32 flags;
};

}  // namespace

std::string Artifact::save(Engine& engine) {
    const std::lock_guard<std::mutex> guard(engine.lock);
    const TokenSplits& t = engine.splits;
    Writer w;
    w.value(kMagic);
    w.value(engine.vocabulary->fingerprint);
    // Lexer modes are named by number in configurations, so they come first and in order.
    std::vector<PlainMode> modes;
    for (u32 i = 0; i < engine.recognizer.states.num_modes(); i++) {
        const Mode& m = engine.recognizer.states.mode(static_cast<ModeId>(i));
        modes.push_back({m.lex.lex_state, m.lex.external_set, m.lex.reserved_set, 0, m.flags});
    }
    w.array(modes);
    w.value<u64>(engine.recognizer.num_configs());
    for (u32 i = 0; i < engine.recognizer.num_configs(); i++) {
        const LexConfig& c = engine.recognizer.config(i);
        w.value(c.lex);
        w.array(c.lag);
        w.array(c.partial);
    }
    w.value<u64>(t.texts_.size());
    for (const std::string& s : t.texts_) w.array(s);
    std::vector<u32> tokens, sizes;
    std::string text;
    for (const auto& e : t.entries_) {
        tokens.push_back(e.token);
        sizes.push_back(e.size);
        text.append(e.text, e.size);
    }
    w.array(tokens);
    w.array(sizes);
    w.array(text);
    w.value<u64>(t.suffixes_.size());
    for (const auto& s : t.suffixes_) {
        w.array(s.packed);
        w.array(s.bits);
        w.value(s.offset);
        w.value(s.key);
        w.value<u8>(s.has_lines);
    }
    w.value<u64>(t.sets_.size());
    for (const auto& s : t.sets_) {
        w.array(s->ids);
        w.array(s->words);
        w.value(s->count);
    }
    w.value<u64>(t.splits_.size());
    for (const auto& s : t.splits_) {
        w.array(s->inside);
        w.array(s->completions);
        w.array(s->resolves);
        w.value(s->completed);
        w.value(s->num_tokens);
        w.value(s->first_completion);
        w.value<u8>(s->has_lines);
    }
    w.array(t.split_keys_);
    w.value<u64>(t.unions_.size());
    for (const auto& [lists, id] : t.unions_) {
        w.array(lists);
        w.value(id);
    }
    w.value(t.whole_);
    w.value(t.num_completions_);
    w.value<u64>(t.num_roots);
    engine.recognizer.states.save(w);
    engine.masks.save(w);
    return std::move(w.bytes);
}

void Artifact::load(Engine& engine, const char* data, std::size_t size) {
    const std::lock_guard<std::mutex> guard(engine.lock);
    TokenSplits& t = engine.splits;
    if (engine.recognizer.states.num_modes() != 0 || t.size() != 0) throw GrammarError("expected an engine that was not used yet");
    Reader r(data, size);
    if (r.value<u32>() != kMagic) throw GrammarError("expected the token splits of this version");
    if (r.value<u64>() != engine.vocabulary->fingerprint) throw GrammarError("the artefact belongs to another vocabulary");
    std::vector<PlainMode> modes;
    r.array(modes);
    for (const PlainMode& m : modes) engine.recognizer.states.restore_mode({m.lex_state, m.external_set, m.reserved_set}, m.flags);
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) {
        const auto lex = r.value<LexState>();
        const std::string lag = r.text(), partial = r.text();
        if (lex.q != Automaton::kDead && lex.q >= engine.recognizer.lexer.main.num_states) throw GrammarError("the artefact belongs to another grammar");
        if (engine.recognizer.config_of(lex, lag, partial) != i) throw GrammarError("the artefact's configurations are out of order");
    }
    t.texts_.clear();
    t.text_ids_.clear();
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) t.intern_text(r.text());
    std::vector<u32> tokens, sizes;
    r.array(tokens);
    r.array(sizes);
    std::string text = r.text();
    u64 left = text.size();
    bool fits = tokens.size() == sizes.size();
    for (std::size_t i = 0; fits && i < tokens.size(); left -= sizes[i++])
        fits = sizes[i] <= std::min<u64>(left, Vocabulary::kMaxTokenBytes) && tokens[i] < engine.vocabulary->size();
    if (!fits || left != 0) throw GrammarError("the artefact's entries do not fit");
    t.set_entries(tokens, sizes, std::move(text));
    const auto check = [](bool fits) {
        if (!fits) throw GrammarError("the artefact refers to something that it does not hold");
    };
    t.suffixes_.clear();
    t.suffix_ids_.clear();
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) {
        TokenSplits::Suffixes s;
        r.array(s.packed);
        r.array(s.bits);
        s.offset = r.value<u32>();
        s.key = r.value<u64>();
        s.has_lines = r.value<u8>() != 0;
        for (u32 p : s.packed) check((p >> 12) < t.entries_.size() && (p & 4095) <= t.entries_[p >> 12].size);
        const std::size_t num_whole = i == 0 ? 0 : t.suffixes_[0].packed.size();
        check(s.bits.empty() || (s.bits.size() == (num_whole + 63) / 64 && (num_whole % 64 == 0 || s.bits.back() >> num_whole % 64 == 0)));
        for (std::size_t k = 0; s.offset != 0 && k < s.bits.size(); k++)
            for (u64 b = s.bits[k]; b != 0; b &= b - 1)
                check(s.offset <= t.entries_[t.suffixes_[0].packed[k * 64 + static_cast<u32>(__builtin_ctzll(b))] >> 12].size);
        t.suffixes_.push_back(std::move(s));
        t.remember_suffixes(static_cast<SuffixId>(i));
        if (i == 0) t.find_places();
    }
    t.sets_.clear();
    t.set_ids_.clear();
    const std::size_t num_words = engine.vocabulary->num_words();
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) {
        auto s = std::make_unique<TokenSet>();
        r.array(s->ids);
        r.array(s->words);
        s->count = r.value<u32>();
        check(s->words.empty() || s->words.size() == num_words);
        for (u32 id : s->ids) check(id < engine.vocabulary->width);
        t.sets_.push_back(std::move(s));
        t.remember_set(static_cast<SetId>(i));
    }
    const u32 num_terminals = engine.recognizer.states.num_terminals_all;
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) {
        auto s = std::make_unique<Split>();
        r.array(s->inside);
        r.array(s->completions);
        r.array(s->resolves);
        s->completed = r.value<TerminalSet>();
        s->num_tokens = r.value<u32>();
        s->first_completion = r.value<u32>();
        s->has_lines = r.value<u8>() != 0;
        for (const Inside& in : s->inside) check(in.tokens < t.sets_.size());
        for (const Completion& c : s->completions)
            check(c.rests < t.suffixes_.size() && c.reread < t.texts_.size() && c.terminal < num_terminals &&
                  (c.keyword == kNoSymbol || c.keyword < num_terminals));
        for (const LineResolve& l : s->resolves)
            check(l.rests < t.suffixes_.size() && l.reread < t.texts_.size() && l.blanks < t.texts_.size());
        t.splits_.push_back(std::move(s));
    }
    r.array(t.split_keys_);
    check(t.split_keys_.size() == t.splits_.size());
    for (std::size_t i = 0; i < t.split_keys_.size(); i++) t.split_ids_.put(t.split_keys_[i], static_cast<u32>(i));
    for (u64 i = 0, n = r.value<u64>(); i < n; i++) {
        std::vector<SuffixId> lists;
        r.array(lists);
        const auto id = r.value<SuffixId>();
        check(id < t.suffixes_.size());
        t.unions_.emplace(std::move(lists), id);
    }
    t.whole_ = r.value<SuffixId>();
    check(t.whole_ == 0 && !t.suffixes_.empty());
    t.num_completions_ = r.value<u32>();
    t.num_roots = r.value<u64>();
    engine.recognizer.states.load(r);
    engine.masks.load(r, engine.vocabulary->width);
    if (!r.done()) throw GrammarError("the artefact is longer than expected");
}

}  // namespace codefusion
