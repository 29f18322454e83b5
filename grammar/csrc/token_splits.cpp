#include "token_splits.h"

#include <algorithm>
#include <chrono>

namespace codefusion {
namespace {

// Length of an unfinished UTF-8 character at the end of the text; 0 when it ends on a boundary.
std::size_t partial_tail(std::string_view t) {
    for (std::size_t k = 1; k <= 3 && k <= t.size(); k++) {
        const auto b = static_cast<u8>(t[t.size() - k]);
        if ((b & 0xc0) == 0x80) continue;
        const std::size_t length = b >= 0xf0 && b < 0xf5 ? 4 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xc2 && b < 0xe0 ? 2 : 1;
        return length > k ? k : 0;
    }
    return 0;
}

bool is_possible_partial(std::string_view p) {
    if (p.size() < 2) return true;
    const auto lead = static_cast<u8>(p[0]), second = static_cast<u8>(p[1]);
    return !((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
             (lead == 0xf4 && second >= 0x90));
}

u64 suffix_key(const std::vector<u32>& packed) {
    u64 h = packed.size();
    for (u32 p : packed) h = (h ^ p) * 0x9e3779b97f4a7c15ull ^ h >> 29;
    return mix64(h) >> 1;
}

u64 ids_key(const std::vector<u32>& ids) {
    u64 h = ids.size();
    for (u32 id : ids) h = hash_combine(h, id);
    return h;
}

// Sorts what comes as a few sorted runs, one behind the other, as lists that are put together do.
void sort_runs(std::vector<u64>& keys) {
    std::vector<std::size_t> begins{0};
    for (std::size_t i = 1; i < keys.size(); i++)
        if (keys[i] < keys[i - 1]) begins.push_back(i);
    if (begins.size() > keys.size() / 8 + 2) {
        std::sort(keys.begin(), keys.end());
        return;
    }
    begins.push_back(keys.size());
    std::vector<u64> merged(begins.size() > 2 ? keys.size() : 0);
    while (begins.size() > 2) {
        std::vector<std::size_t> next;
        for (std::size_t i = 0; i + 1 < begins.size(); i += 2) {
            const u64* at = keys.data();
            const std::size_t middle = begins[i + 1], end = i + 2 < begins.size() ? begins[i + 2] : middle;
            std::merge(at + begins[i], at + middle, at + middle, at + end, merged.data() + begins[i]);
            next.push_back(begins[i]);
        }
        next.push_back(keys.size());
        begins.swap(next);
        keys.swap(merged);
    }
}

}  // namespace

TokenSplits::TokenSplits(Recognizer* r, const Vocabulary* v) : recognizer_(r), vocabulary_(v) {
    intern_text({});
    std::vector<std::pair<std::string, u32>> made;
    for (u32 id = 0; id < v->size(); id++) {
        const std::string* t = v->bytes(id);
        if (t == nullptr) continue;
        const std::size_t tail = partial_tail(*t);
        const std::string_view partial = std::string_view(*t).substr(t->size() - tail);
        if (tail == 0) {
            made.emplace_back(*t, id);
        } else if (is_possible_partial(partial)) {
            // The token ends inside a character: one entry for each kind of character it may become.
            for (const std::string& more : r->completions_of(partial))
                if (t->size() + more.size() <= Vocabulary::kMaxTokenBytes) made.emplace_back(*t + more, id);
        }
    }
    std::sort(made.begin(), made.end());
    std::vector<u32> tokens, sizes, all;
    std::string text;
    for (const auto& [t, id] : made) {
        all.push_back(static_cast<u32>(tokens.size()) << 12);
        tokens.push_back(id);
        sizes.push_back(static_cast<u32>(t.size()));
        text += t;
    }
    set_entries(tokens, sizes, std::move(text));
    whole_ = intern_suffixes(all);
}

void TokenSplits::set_entries(const std::vector<u32>& tokens, const std::vector<u32>& sizes, std::string text) {
    if (tokens.size() >= kMaxEntries) throw GrammarError("too many token rests");
    entries_.clear();
    owned_text_.assign(1, std::move(text));
    const char* at = owned_text_.front().data();
    for (std::size_t i = 0; i < tokens.size(); at += sizes[i++]) entries_.push_back({at, sizes[i], tokens[i]});
}

u32 TokenSplits::add_entry(std::string text, u32 token) {
    owned_text_.push_back(std::move(text));
    const std::string& s = owned_text_.back();
    if (entries_.size() >= kMaxEntries) throw GrammarError("too many token rests");
    entries_.push_back({s.data(), static_cast<u32>(s.size()), token});
    return static_cast<u32>(entries_.size() - 1);
}

TextId TokenSplits::intern_text(const std::string& s) {
    const auto [it, is_new] = text_ids_.emplace(s, static_cast<TextId>(texts_.size()));
    if (is_new) texts_.push_back(s);
    return it->second;
}

void TokenSplits::rank_rests() {
    std::vector<u32> all;
    rank_start_.clear();
    for (u32 e = 0; e < entries_.size(); e++) {
        rank_start_.push_back(static_cast<u32>(all.size()));
        for (u32 offset = 0; offset <= entries_[e].size; offset++) all.push_back(e << 12 | offset);
    }
    ranks_.resize(all.size());
    // The first eight bytes decide nearly every comparison.
    std::vector<std::pair<u64, u32>> keyed;
    keyed.reserve(all.size());
    for (u32 p : all) {
        u64 key = 0;
        const std::string_view t = rest(p);
        for (std::size_t i = 0; i < 8; i++) key = key << 8 | (i < t.size() ? static_cast<u8>(t[i]) : 0u);
        keyed.emplace_back(key, p);
    }
    std::sort(keyed.begin(), keyed.end(), [this](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first : rest(a.second) < rest(b.second);
    });
    u32 rank = 0;
    for (std::size_t i = 0; i < keyed.size(); i++) {
        const u32 p = keyed[i].second;
        if (i > 0 && (keyed[i].first != keyed[i - 1].first || rest(p) != rest(keyed[i - 1].second))) rank++;
        ranks_[rank_start_[p >> 12] + (p & 4095)] = rank;
    }
}

void TokenSplits::sort_by_rest(std::vector<u32>& packed) {
    if (rank_start_.empty() && packed.size() > 64) rank_rests();
    bool ranked = packed.size() > 1;
    for (u32 p : packed) ranked = ranked && (p >> 12) < rank_start_.size();
    if (ranked) {
        std::vector<u64> keys;
        keys.reserve(packed.size());
        for (u32 p : packed) keys.push_back(static_cast<u64>(ranks_[rank_start_[p >> 12] + (p & 4095)]) << 32 | p);
        sort_runs(keys);
        for (std::size_t i = 0; i < keys.size(); i++) packed[i] = static_cast<u32>(keys[i]);
    } else {
        std::sort(packed.begin(), packed.end(), [this](u32 a, u32 b) {
            const int c = rest(a).compare(rest(b));
            return c != 0 ? c < 0 : a < b;
        });
    }
    packed.erase(std::unique(packed.begin(), packed.end()), packed.end());
}

SuffixId TokenSplits::intern_suffixes(std::vector<u32>& packed) {
    sort_by_rest(packed);
    Suffixes made{packed, {}, 0, suffix_key(packed), false};
    compress(made);
    for (u64 key = made.key;; key = mix64(key) >> 1) {
        const u32 id = suffix_ids_.get(key);
        if (id != kNone) {
            if (suffixes_[id] == made) return id;
            continue;
        }
        if (recognizer_->lexer.scanner && recognizer_->lexer.scanner->uses_lines())
            for (std::size_t i = 0; i < packed.size() && !made.has_lines; i++) {
                bool crossed = false;
                for (char c : rest(packed[i])) {
                    if (c == '\n' || c == '\r') crossed = true;
                    else if (crossed && c != ' ' && c != '\t' && c != '\f') made.has_lines = true;
                }
            }
        suffixes_.push_back(std::move(made));
        suffix_ids_.put(key, static_cast<u32>(suffixes_.size() - 1));
        if (suffixes_.size() == 1) find_places();
        return static_cast<u32>(suffixes_.size() - 1);
    }
}

// The first list is the whole vocabulary's; the bits of others follow its order.
void TokenSplits::find_places() {
    places_.assign(entries_.size(), kNone);
    const std::vector<u32>& whole = suffixes_[0].packed;
    for (u32 i = 0; i < whole.size(); i++) places_[whole[i] >> 12] = i;
}

bool TokenSplits::compress(Suffixes& s) const {
    if (suffixes_.empty() || s.packed.size() < Suffixes::kBitsFrom) return false;
    const u32 offset = s.packed[0] & 4095;
    for (u32 p : s.packed)
        if ((p & 4095) != offset || (p >> 12) >= places_.size() || places_[p >> 12] == kNone) return false;
    s.offset = offset;
    s.bits.assign((suffixes_[0].packed.size() + 63) / 64, 0);
    for (u32 p : s.packed) s.bits[places_[p >> 12] >> 6] |= 1ull << (places_[p >> 12] & 63);
    std::vector<u32>().swap(s.packed);
    return true;
}

std::vector<u32> TokenSplits::listed(SuffixId id) {
    const Suffixes& s = suffixes_[id];
    if (s.bits.empty()) return s.packed;
    std::vector<u32> packed;
    for (std::size_t i = 0; i < s.bits.size(); i++)
        for (u64 w = s.bits[i]; w != 0; w &= w - 1)
            packed.push_back(suffixes_[0].packed[i * 64 + static_cast<u32>(__builtin_ctzll(w))] | s.offset);
    if (s.offset != 0) sort_by_rest(packed);
    return packed;
}

void TokenSplits::remember_suffixes(SuffixId id) {
    u64 key = suffixes_[id].key;
    while (suffix_ids_.get(key) != kNone) key = mix64(key) >> 1;
    suffix_ids_.put(key, id);
}

void TokenSplits::remember_set(SetId id) {
    const TokenSet& t = *sets_[id];
    u64 key = (t.words.empty() ? ids_key(t.ids) : hash_words(t.words.data(), t.words.size())) >> 1;
    while (set_ids_.get(key) != kNone) key = mix64(key) >> 1;
    set_ids_.put(key, id);
}

SuffixId TokenSplits::unite(std::vector<SuffixId> lists) {
    std::sort(lists.begin(), lists.end());
    lists.erase(std::unique(lists.begin(), lists.end()), lists.end());
    if (lists.size() == 1) return lists[0];
    const auto known = unions_.find(lists);
    if (known != unions_.end()) return known->second;
    const auto begun = std::chrono::steady_clock::now();
    std::vector<u32> packed;
    for (SuffixId s : lists) {
        const std::vector<u32> more = listed(s);
        packed.insert(packed.end(), more.begin(), more.end());
    }
    const SuffixId id = intern_suffixes(packed);
    unions_.emplace(std::move(lists), id);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return id;
}

SetId TokenSplits::intern_set(std::vector<u32>& ids) {
    if (ids.size() > TokenSet::kDenseFrom) {
        std::vector<u64> words(vocabulary_->num_words(), 0);
        for (u32 id : ids) words[id >> 6] |= 1ull << (id & 63);
        u32 count = 0;
        for (u64 w : words) count += static_cast<u32>(__builtin_popcountll(w));
        if (count > TokenSet::kDenseFrom) return intern_words(std::move(words), count);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return set_ids_.intern(ids_key(ids), [&](u32 id) { return sets_[id]->ids == ids; }, [&] {
        auto t = std::make_unique<TokenSet>();
        t->count = static_cast<u32>(ids.size());
        t->ids = ids;
        sets_.push_back(std::move(t));
        return static_cast<u32>(sets_.size() - 1);
    });
}

SetId TokenSplits::intern_words(std::vector<u64> words, u32 count) {
    return set_ids_.intern(hash_words(words.data(), words.size()), [&](u32 id) { return sets_[id]->words == words; }, [&] {
        auto t = std::make_unique<TokenSet>();
        t->count = count;
        t->words = std::move(words);
        sets_.push_back(std::move(t));
        return static_cast<u32>(sets_.size() - 1);
    });
}

SplitId TokenSplits::split(ConfigId config, SuffixId rests) {
    const u64 key = static_cast<u64>(config) << 32 | rests;
    const u32 known = split_ids_.get(key);
    if (known != kNone) return known;
    const auto begun = std::chrono::steady_clock::now();
    auto s = std::make_unique<Split>();
    build(*s, config, rests);
    splits_.push_back(std::move(s));
    const auto id = static_cast<SplitId>(splits_.size() - 1);
    split_ids_.put(key, id);
    split_keys_.push_back(key);
    num_roots += rests == whole_;
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return id;
}

// Walks the sorted rests as if they were a trie, with one lexer state per branch.
struct TokenSplits::Builder {
    TokenSplits& splits;
    Recognizer& recognizer;
    const std::string before;  // bytes that the configuration has read and may read again
    struct Key {
        u16 terminal, keyword;
        TextId reread;
        bool operator<(const Key& o) const {
            return terminal != o.terminal ? terminal < o.terminal : keyword != o.keyword ? keyword < o.keyword : reread < o.reread;
        }
    };
    struct LineKey {
        bool crossed, new_line;
        TextId blanks, reread;
        bool operator<(const LineKey& o) const {
            return std::tie(crossed, new_line, blanks, reread) < std::tie(o.crossed, o.new_line, o.blanks, o.reread);
        }
    };
    std::vector<std::pair<TerminalSet, std::vector<u32>>> inside;
    std::unordered_map<u64, u32> inside_of;                 // lexer state -> inside class
    u64 last_key = 0;  // neighbours mostly end in the same state
    u32 last_class = kNone;
    std::unordered_map<u64, std::vector<u32>> by_terminals;  // hash -> inside classes
    std::map<Key, std::vector<u32>> completions;
    std::map<LineKey, std::vector<u32>> resolves;
    std::vector<u32> unfinished;  // rests that end inside a character begun before the token

    // The rests [lo, hi) after a lexeme or line start that ended at `end`.
    void pass_on(std::vector<u32>& to, const u32* lo, const u32* hi, u32 end) {
        const u32 into = end < before.size() ? 0 : end - static_cast<u32>(before.size());
        for (; lo < hi; ++lo) to.push_back(*lo + into);
    }
    TextId reread(u32 end) { return splits.intern_text(end < before.size() ? before.substr(end) : std::string()); }

    void complete(u16 terminal, u16 keyword, const u32* lo, const u32* hi, u32 end) {
        pass_on(completions[{terminal, keyword, reread(end)}], lo, hi, end);
    }
    void line(const LexOutcome& o, const u32* lo, const u32* hi) {
        std::string text = before;
        text += splits.rest(*lo);
        u32 from = o.end;
        while (from > 0 && (text[from - 1] == ' ' || text[from - 1] == '\t' || text[from - 1] == '\f')) from--;
        const LineKey key{o.crossed_newline, from > 0, splits.intern_text(text.substr(from, o.end - from)), reread(o.end)};
        pass_on(resolves[key], lo, hi, o.end);
    }
    void end_inside(u32 packed, const LexState& s, u32 offset) {
        if (s.missing != 0) {
            unfinished.push_back(packed);
            return;
        }
        if (s.accepted != kNoSymbol && s.accept_end != offset)
            complete(s.accepted, s.accepted_keyword, &packed, &packed + 1, s.accept_end);
        // Rust's scanner has more than 16 kinds: those from 16 on share a bit with `detail`. They are states within strings,
        // which no configuration leads to together with the kinds that they could be taken for.
        const u64 key = static_cast<u64>(s.q) << 48 | static_cast<u64>(s.keyword_q) << 32 | static_cast<u64>(s.start_mode) << 16 |
                        static_cast<u64>(s.detail & 0xff) << 8 | static_cast<u64>(s.kind) << 4 |
                        static_cast<u64>(s.newline_mode) << 1 | s.fresh;
        if (key != last_key || last_class == kNone) last_class = class_of(key, s), last_key = key;
        inside[last_class].second.push_back(splits.entries_[packed >> 12].token);
    }
    u32 class_of(u64 key, const LexState& s) {
        auto it = inside_of.find(key);
        if (it == inside_of.end()) {
            const TerminalSet set = recognizer.lexer.reachable(s);
            u32 found = kNone;
            for (u32 i : by_terminals[set.hash()])
                if (inside[i].first == set) found = i;
            if (found == kNone) {
                found = static_cast<u32>(inside.size());
                inside.push_back({set, {}});
                by_terminals[set.hash()].push_back(found);
            }
            it = inside_of.emplace(key, found).first;
        }
        return it->second;
    }
    // The end of the rests that go on with the first one's byte. Most such ranges are short, so it is looked for from
    // their beginning, in steps that double.
    const u32* range_end(const u32* lo, const u32* hi, u32 depth) {
        const char c = splits.rest(*lo)[depth];
        const auto goes_on = [&](u32 p) { return splits.rest(p)[depth] == c; };
        std::ptrdiff_t step = 1;
        while (step < hi - lo && goes_on(lo[step])) {
            lo += step;
            step *= 2;
        }
        return std::partition_point(lo + 1, std::min(hi, lo + step), goes_on);
    }
    void walk(const u32* lo, const u32* hi, u32 depth, const LexState& s) {
        if (hi - lo == 1) {
            follow(lo, depth, s);
            return;
        }
        const auto base = static_cast<u32>(before.size());
        for (; lo < hi && splits.rest(*lo).size() == depth; ++lo) end_inside(*lo, s, base + depth);
        while (lo < hi) {
            const u32* next = range_end(lo, hi, depth);
            LexState t = s;
            const LexOutcome o = recognizer.lexer.push(t, static_cast<u8>(splits.rest(*lo)[depth]), base + depth);
            switch (o.event) {
                case LexEvent::kAlive: walk(lo, next, depth + 1, t); break;
                case LexEvent::kLexeme: complete(o.terminal, o.keyword, lo, next, o.end); break;
                case LexEvent::kResolve: line(o, lo, next); break;
                case LexEvent::kDead: break;
            }
            lo = next;
        }
    }
    // One rest to its end.
    void follow(const u32* one, u32 depth, LexState s) {
        const auto base = static_cast<u32>(before.size());
        const std::string_view text = splits.rest(*one);
        for (; depth < text.size(); depth++) {
            const LexOutcome o = recognizer.lexer.push(s, static_cast<u8>(text[depth]), base + depth);
            switch (o.event) {
                case LexEvent::kAlive: continue;
                case LexEvent::kLexeme: complete(o.terminal, o.keyword, one, one + 1, o.end); return;
                case LexEvent::kResolve: line(o, one, one + 1); return;
                case LexEvent::kDead: return;
            }
        }
        end_inside(*one, s, base + depth);
    }
};

void TokenSplits::build(Split& split, ConfigId config, SuffixId rests) {
    const LexConfig c = recognizer_->config(config);
    Builder b{*this, *recognizer_, c.lag + c.partial, {}, {}, 0, kNone, {}, {}, {}, {}};
    const std::vector<u32> packed = listed(rests);
    b.walk(packed.data(), packed.data() + packed.size(), 0, c.lex);
    // Rests that leave a character unfinished: what each kind of completion does, token by token.
    for (std::size_t i = 0; i < b.unfinished.size(); i++) {
        const u32 p = b.unfinished[i];
        const std::string text(rest(p));
        std::string partial = b.before + text;
        partial = partial.substr(partial.size() - partial_tail(partial));
        for (const std::string& more : recognizer_->completions_of(partial)) {
            const u32 entry = add_entry(text + more, entries_[p >> 12].token) << 12;
            b.walk(&entry, &entry + 1, 0, c.lex);
        }
    }
    split.num_tokens = static_cast<u32>(packed.size());
    for (auto& [terminals, tokens] : b.inside) split.inside.push_back({terminals, intern_set(tokens)});
    split.first_completion = num_completions_;
    for (auto& [key, list] : b.completions) {
        const SuffixId id = intern_suffixes(list);
        split.completions.push_back({key.terminal, key.keyword, key.reread, id});
        split.completed.add(key.terminal);
        if (key.keyword != kNoSymbol) split.completed.add(key.keyword);
        split.has_lines |= suffixes_[id].has_lines;
    }
    num_completions_ += static_cast<u32>(split.completions.size());
    for (auto& [key, list] : b.resolves)
        split.resolves.push_back({key.crossed, key.new_line, key.blanks, key.reread, intern_suffixes(list)});
    split.has_lines |= !split.resolves.empty();
}

std::size_t TokenSplits::bytes() const {
    std::size_t n = entries_.capacity() * sizeof(Entry);
    for (const auto& s : suffixes_) n += s.packed.capacity() * 4 + s.bits.capacity() * 8 + sizeof(s);
    for (const auto& s : sets_) n += s->ids.capacity() * 4 + s->words.capacity() * 8 + sizeof(TokenSet);
    for (const auto& s : splits_)
        n += sizeof(Split) + s->inside.capacity() * sizeof(Inside) + s->completions.capacity() * sizeof(Completion) +
             s->resolves.capacity() * sizeof(LineResolve);
    return n;
}

}  // namespace codefusion
