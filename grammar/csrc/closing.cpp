#include "closing.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>

namespace codefusion {
namespace {

constexpr u32 kMaxExpansions = 1500;
constexpr u32 kFirstExpansions = 10, kMaxExpansionsToSuffix = 40;  // what takes more, opening finds sooner
constexpr u32 kEndingCost = 4;  // less than what its lexemes would cost one by one
// A suffix that nothing leads to is read again behind every candidate: so many bytes, or so many times, at most.
constexpr u64 kMaxSuffixBytes = 1 << 19, kMaxSuffixReads = 8;
constexpr std::size_t kMaxKnown = 1 << 16;

// What a text costs in the search: indentation hardly anything, or deep blocks would never be closed.
u32 weight(const std::string& text) {
    u32 w = 0;
    for (char c : text) w += c != ' ' && c != '\t';
    return w;
}

}  // namespace

Closing::Closing(Recognizer* recognizer) : recognizer_(recognizer), opening_(recognizer) {}

// The shortest text of every terminal: its name where that is the text, else found in the automaton.
void Closing::spell() {
    const ParseTable& table = recognizer_->language->table;
    const Lexer& lexer = recognizer_->lexer;
    spelling_.assign(recognizer_->states.num_terminals_all, {});
    for (u32 t = 1; t < table.num_terminals; t++) {
        if (table.is_extra(t)) continue;
        TerminalSet wanted;
        wanted.add(t);
        std::string best;
        std::set<u16> starts;
        for (const LexMode& m : table.lex_modes)
            if (m.lex_state != 0xffff && starts.insert(lexer.main.canonical[m.lex_state]).second) {
                if (!lexer.main.reachable[m.lex_state].has(t) && !(lexer.keywords.num_states != 0 && lexer.keywords.reachable[0].has(t)))
                    continue;
                LexState s;
                s.q = lexer.main.canonical[m.lex_state];
                s.keyword_q = lexer.keywords.num_states != 0 ? 0 : Automaton::kDead;
                if (spelled_by_name(t, s)) best = table.symbol_name(t);
                else if (const auto found = shortest_lexemes(s, wanted, 1); !found.empty()) best = found[0];
                if (!best.empty()) break;
            }
        spelling_[t] = best;
    }
}

bool Closing::spelled_by_name(u32 terminal, LexState s) const {
    const std::string name = recognizer_->language->table.symbol_name(terminal);
    const Lexer& lexer = recognizer_->lexer;
    const auto size = static_cast<u32>(name.size());
    for (u32 i = 0; i < size; i++)
        if (lexer.read_internal(s, static_cast<u8>(name[i]), i, i + 1).event != LexEvent::kAlive) return false;
    return s.accept_end == size && (s.accepted_keyword == terminal || s.accepted == terminal);
}

// Breadth first over printable characters, until the lexer has accepted `most` of the wanted terminals.
std::vector<std::string> Closing::shortest_lexemes(const LexState& start, TerminalSet wanted, std::size_t most) const {
    std::vector<std::string> found;
    const Lexer& lexer = recognizer_->lexer;
    struct Item {
        LexState s;
        std::string text;
    };
    std::queue<Item> queue;
    std::set<std::pair<u16, u16>> seen;
    queue.push({start, {}});
    // Letters first, so that an identifier is spelled "a" and not "_".
    static const std::string kOrder = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\"'`*/()[]{}<>=+-.,;:!?@#$%^&|~\\_ \n";
    while (!queue.empty() && seen.size() < 20000) {
        const Item item = queue.front();
        queue.pop();
        for (char c : kOrder) {
            LexState s = item.s;
            const auto at = static_cast<u32>(item.text.size());
            if (lexer.read_internal(s, static_cast<u8>(c), at, at + 1).event != LexEvent::kAlive) continue;
            const std::string text = item.text + c;
            if (s.fresh) continue;  // a blank
            if (s.accepted != kNoSymbol && s.accept_end == text.size()) {
                const bool keyword = s.accepted_keyword != kNoSymbol && wanted.has(s.accepted_keyword);
                const bool plain = wanted.has(s.accepted) && s.accepted_keyword == kNoSymbol;
                if (keyword || plain) {
                    found.push_back(text);
                    if (found.size() == most) return found;
                    wanted.remove(keyword ? s.accepted_keyword : s.accepted);
                }
            }
            if (text.size() < 24 && seen.emplace(s.q, s.keyword_q).second) queue.push({s, text});
        }
    }
    return found;
}

void Closing::build() {
    built_ = true;
    spell();
    const ParseTable& table = recognizer_->language->table;
    const Scanner* scanner = recognizer_->lexer.scanner.get();
    ways_.assign(table.num_states, {});
    struct Edge {
        u16 to;
        u32 cost;
    };
    std::vector<std::vector<Edge>> shifts(table.num_states);
    std::vector<std::map<u32, u32>> cost(table.num_states);  // pops << 16 | nonterminal -> cost
    std::vector<std::vector<u16>> before(table.num_states);  // states that a shift leads from
    std::vector<u32> work;
    std::vector<u8> queued(table.num_states, 1);
    for (u32 s = 0; s < table.num_states; s++) {
        std::map<u16, u32> best;
        for (u32 t = 0; t < table.num_terminals; t++) {
            const Cell& c = table.cell(s, t);
            for (u32 i = 0; i < c.num_reductions; i++) {
                const Reduction& r = table.reductions[table.cell_reductions[c.first_reduction + i]];
                cost[s][static_cast<u32>(r.child_count) << 16 | r.nonterminal] = 0;
            }
            if (c.shift == kNoSymbol || c.is_extra || t == 0) continue;
            u32 w = static_cast<u32>(spelling_[t].size());
            if (scanner != nullptr && t == scanner->newline) w = 1;
            else if (scanner != nullptr && t == scanner->indent) w = 3;
            else if (w == 0) w = 1;  // the scanner's other terminals: a quote
            const auto it = best.find(c.shift);
            if (it == best.end() || it->second > w) best[c.shift] = w;
        }
        for (const auto& [to, w] : best) {
            shifts[s].push_back({to, w});
            before[to].push_back(static_cast<u16>(s));
        }
        work.push_back(s);
    }
    // States whose gotos lead to s, so that changes spread.
    for (u32 s = 0; s < table.num_states; s++)
        for (u32 a = table.num_terminals; a < table.num_symbols; a++)
            if (const u16 to = table.go_to(s, a)) before[to].push_back(static_cast<u16>(s));
    while (!work.empty()) {
        const u32 s = work.back();
        work.pop_back();
        queued[s] = 0;
        bool changed = false;
        const auto improve = [&](u32 pops, u32 nonterminal, u32 c) {
            if (c >= kFar) return;
            const auto [it, is_new] = cost[s].emplace(pops << 16 | nonterminal, c);
            if (is_new || it->second > c) {
                it->second = c;
                changed = true;
            }
        };
        for (const Edge& e : shifts[s])
            for (const auto& [key, c] : std::map<u32, u32>(cost[e.to]))
                if (key >> 16 != 0) improve((key >> 16) - 1, key & 0xffff, c + e.cost);
        for (bool again = true; again;) {
            again = false;
            const std::map<u32, u32> now = cost[s];
            for (auto it = now.begin(); it != now.end() && it->first >> 16 == 0; ++it) {
                const u16 to = table.go_to(s, it->first & 0xffff);
                if (to == 0) continue;
                for (const auto& [key, c] : std::map<u32, u32>(cost[to]))
                    if (key >> 16 != 0) {
                        const std::size_t size = cost[s].size();
                        improve((key >> 16) - 1, key & 0xffff, c + it->second);
                        again |= cost[s].size() != size && (key >> 16) == 1;
                    }
            }
        }
        if (!changed) continue;
        for (u16 p : before[s])
            if (!queued[p]) {
                queued[p] = 1;
                work.push_back(p);
            }
    }
    for (u32 s = 0; s < table.num_states; s++)
        for (const auto& [key, c] : cost[s])
            if (key >> 16 != 0) ways_[s].push_back({static_cast<u16>(key >> 16), static_cast<u16>(key & 0xffff), c});
}

// Least cost until the stack (below, then lr on top) is accepted; an estimate, since lookaheads are ignored.
u32 Closing::distance(NodeId below, u16 lr, u32 depth) {
    const u64 key = static_cast<u64>(below) << 16 | lr;
    const auto known = distances_.find(key);
    if (known != distances_.end()) return known->second;
    const ParseTable& table = recognizer_->language->table;
    if (table.cell(lr, 0).accepts) return distances_[key] = 0;
    if (depth > 4000) return kFar;
    distances_[key] = kFar;  // cuts cycles
    u32 best = kFar;
    for (const Way& w : ways_[lr]) {
        if (w.cost >= best) continue;
        NodeId b = below;
        for (u32 k = 1; k < w.pops && b != kBottom; k++) b = recognizer_->forest[b].parent;
        if (b == kBottom) continue;
        const u16 to = table.go_to(recognizer_->forest.state(b).lr, w.nonterminal);
        if (to != 0) best = std::min(best, w.cost + distance(b, to, depth + 1));
    }
    // A cycle may have hidden a way: only what was found is kept.
    if (best >= kFar) distances_.erase(key);
    else distances_[key] = best;
    return best;
}

std::string Closing::indentation(const Indent& i) const {
    // A tab goes to the next multiple of 8, and up to seven blanks before it count in the second count alone.
    for (u32 tabs = i.column / 8;; tabs--) {
        const u32 behind = i.column - 8 * tabs;
        u32 before = i.alt_column - tabs - behind;  // wraps where there are too few
        if (before <= 7 * tabs) {
            std::string text;
            for (u32 n = 0; n < tabs; n++) {
                const u32 here = std::min<u32>(7, before);
                text.append(here, ' ') += '\t';
                before -= here;
            }
            return text.append(behind, ' ');
        }
        if (tabs == 0) return std::string(i.column, ' ');
    }
}

void Closing::line_candidates(const Thread& thread, std::vector<std::string>& out) const {
    for (const char* tail : {"\n", "\"", "'", "\"\"", "''", "\"\"\"", "'''", "}", "\\\n"}) out.emplace_back(tail);
    static const char* const kStarts[] = {"finally:0", "def a():0"};
    IndentId level = thread.indent;
    const std::string deeper = indentation(recognizer_->indents[level]) + " ";
    for (const char* start : {"0", "case a:0"}) out.push_back("\n" + deeper + start);
    for (u32 n = 0; n < 40; n++) {
        for (const char* start : kStarts) out.push_back("\n" + indentation(recognizer_->indents[level]) + start);
        if (level == 0) break;
        level = recognizer_->indents[level].parent;
    }
}

void Closing::candidates(const Thread& thread, std::vector<std::string>& out) {
    const LexConfig c = recognizer_->config(thread.config);
    out.clear();
    if (!c.partial.empty()) {
        out = recognizer_->completions_of(c.partial);
        return;
    }
    if (c.lex.kind == 0 && !c.lex.fresh) {
        // What is open may have to grow before anything can follow ("cont" to "continue").
        out = shortest_lexemes(c.lex, recognizer_->forest.valid(thread.node), 6);
    }
    const TerminalSet valid = recognizer_->forest.valid(thread.node);
    std::set<std::string> words;
    for (u32 t = 0; t < spelling_.size(); t++) {
        if (spelling_[t].empty()) continue;
        // Behind an open lexeme the parser's next question is not known yet: offer everything that closes.
        if (c.lex.kind == 0 && c.lex.fresh && !valid.has(t)) continue;
        words.insert(spelling_[t]);
    }
    for (const std::string& w : words) {
        out.push_back(w);
        if (is_word(w[0])) out.push_back(" " + w);
    }
    const Scanner* scanner = recognizer_->lexer.scanner.get();
    if (scanner != nullptr && scanner->uses_lines()) return line_candidates(thread, out);
    out.emplace_back("\n");
    if (scanner != nullptr && *scanner->ending(c.lex) != '\0') out.emplace_back(scanner->ending(c.lex));
}

void Closing::endings(const Thread& thread, std::vector<std::string>& out) const {
    out.clear();
    if (!recognizer_->config(thread.config).partial.empty()) return;
    for (const std::string& ending : recognizer_->language->rules.endings) {
        out.push_back(ending);
        out.push_back(" " + ending);
    }
}

bool Closing::accepted(const std::vector<Thread>& threads, const std::string& suffix) {
    if (suffix.empty()) return recognizer_->can_end(threads);
    std::vector<Thread> now = threads, next;
    for (std::size_t at = 0; at < suffix.size() && !now.empty(); at += 64) {
        suffix_bytes_ += 64;
        recognizer_->advance(now, std::string_view(suffix).substr(at, 64), next);
        recognizer_->keep_viable(next);
        now.swap(next);
    }
    return !now.empty() && recognizer_->can_end(now);
}

Closing::Result Closing::close(const std::vector<Thread>& threads, const std::string& suffix) {
    if (!built_) build();
    suffix_bytes_ = 0;
    if (accepted(threads, suffix)) return {true, {}};
    u64 memo = hash_text(suffix);
    for (const Thread& t : threads) memo = hash_combine(hash_combine(memo, t.node), static_cast<u64>(t.config) << 32 | t.indent);
    const auto known = known_.find(memo);
    if (known != known_.end()) return known->second;
    const u64 budget = std::max<u64>(kMaxSuffixBytes, kMaxSuffixReads * suffix.size());
    Result result = search(threads, suffix, suffix.empty() ? kMaxExpansions : kFirstExpansions);
    if (!result.found && !suffix.empty())
        if (const Result closed = close(threads); closed.found) {
            result.bytes = opening_.find_again(threads, closed.bytes, suffix, budget);
            if (result.bytes.empty()) result = search(threads, suffix, kMaxExpansionsToSuffix);
            if (!result.found && result.bytes.empty()) result.bytes = opening_.find(threads, closed.bytes, suffix, budget);
            result.found = !result.bytes.empty();
        }
    failures += !result.found;
    if (known_.size() >= kMaxKnown || recognizer_->forest.size() > (1u << 20)) known_.clear();
    known_.emplace(memo, result);
    return result;
}

Closing::Result Closing::search(const std::vector<Thread>& threads, const std::string& suffix, u32 max_expansions) {
    Result result;
    const u64 most = std::max<u64>(kMaxSuffixBytes, kMaxSuffixReads * suffix.size());
    searches++;
    struct Item {
        u32 estimate, length;
        std::vector<Thread> threads;
        std::string text;
        bool operator<(const Item& o) const { return estimate > o.estimate; }  // a max-heap, cheapest first
    };
    std::priority_queue<Item> queue;
    std::set<std::vector<u64>> seen;
    const auto push = [&](std::vector<Thread> now, std::string text, u32 length) {
        std::vector<u64> key;
        u32 h = kFar;
        for (const Thread& t : now) {
            key.push_back(t.node), key.push_back(t.config), key.push_back(t.indent);
            h = std::min(h, distance(t.node));
        }
        if (!seen.insert(key).second) return;
        queue.push({length + 2 * h, length, std::move(now), std::move(text)});
    };
    push(threads, {}, 0);
    // A step that ends in an accepted text is taken note of at once; a few more steps may find a shorter one.
    u32 spare = 0, best = kFar;
    std::vector<std::string> words;
    std::vector<Thread> next;
    const auto append = [&](const Item& item, const Thread& t, const std::string& word, u32 cost) {
        cost += item.length;
        if (cost >= best || suffix_bytes_ >= most) return;
        recognizer_->advance({t}, word, next);
        recognizer_->keep_viable(next);
        if (next.empty()) return;
        if (!accepted(next, suffix)) return push(next, item.text + word, cost);
        result = {true, item.text + word};
        best = cost;
    };
    for (u32 n = 0; n < max_expansions && !queue.empty() && spare < 8 && suffix_bytes_ < most; n++) {
        const Item item = queue.top();
        queue.pop();
        spare += result.found;
        if (item.length + 1 >= best) continue;
        expansions++;
        for (const Thread& t : item.threads) {
            endings(t, words);
            for (const std::string& w : words) append(item, t, w, kEndingCost);
            candidates(t, words);
            for (const std::string& w : words) append(item, t, w, weight(w));
        }
    }
    return result;
}

}  // namespace codefusion
