#include "opening.h"

#include <algorithm>
#include <queue>
#include <set>

namespace codefusion {
namespace {

constexpr char kName = 1;  // in an opener: the name of what it declares
constexpr u32 kMaxSteps = 12;
constexpr u32 kQuick = 8, kThorough = 60;  // candidates to go on from
constexpr std::size_t kMaxOpeners = 8, kMaxBlocks = 16, kMaxColumns = 6, kMaxKnown = 8, kMaxSuffixes = 64;

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The blanks that begin the line in which lexing goes on at byte `at`; nothing on the line begun before the text.
std::string blanks_of_line(const std::string& text, std::size_t at) {
    const std::size_t next = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    const std::size_t line = next == 0 ? std::string::npos : text.rfind('\n', next - 1);
    if (line == std::string::npos) return {};
    return text.substr(line + 1, std::min(text.find_first_not_of(" \t", line + 1), text.size()) - line - 1);
}

// Whether an opener is the beginning of a comment or a string.
bool is_begun_lexeme(const std::string& opener) {
    const std::size_t last = opener.find_last_not_of("\n");
    return last != std::string::npos && std::string_view("\"'`#*/").find(opener[last]) != std::string_view::npos;
}

// Whether what stops before this character may be read on behind the opener: a bracket asks for its other half.
bool may_close(const std::string& opener, char stop) {
    const std::string_view open = "([{", closed = ")]}";
    const std::size_t kind = closed.find(stop);
    if (stop == '\0' || kind == std::string_view::npos) return true;
    return std::count(opener.begin(), opener.end(), open[kind]) > std::count(opener.begin(), opener.end(), stop);
}

}  // namespace

Reading Opening::read(std::vector<Thread> threads, std::string_view text, u64& budget) const {
    Recognizer& r = *recognizer_;
    std::vector<Thread> next, marked = threads;
    u64 lexemes = 0;
    const auto advance = [&](std::size_t at, std::size_t size) {
        budget -= std::min<u64>(budget, size);
        lexemes = r.num_lexemes;
        r.advance(threads, text.substr(at, size), next);
        r.keep_viable(next);
        return !next.empty() && budget != 0;
    };
    std::size_t at = 0, mark = 0;
    for (std::size_t step = 8; at < text.size() && advance(at, step); at += step, step = 64) {
        if (r.num_lexemes != lexemes) {
            mark = at;
            marked.swap(threads);
        }
        threads.swap(next);
    }
    if (at >= text.size()) return {r.can_end(threads), true, true, 0};
    // Byte by byte: where the last lexeme was completed.
    std::size_t last = mark;
    threads = std::move(marked);
    for (at = mark; at < text.size() && advance(at, 1); at++) {
        if (r.num_lexemes != lexemes) last = at;
        threads.swap(next);
    }
    u64 parses = at;
    for (const Thread& t : threads) parses = hash_combine(hash_combine(parses, t.node), static_cast<u64>(t.config) << 32 | t.indent);
    return {false, true, false, last, parses, at < text.size() ? text[at] : '\0'};
}

std::string Opening::spell(const Candidate& c) const {
    const RuleTables& rules = recognizer_->language->rules;
    std::string text;
    if (c.on_new_line) text += '\n';
    for (const Block& b : c.blocks) text += b.column + rules.block_openers[b.header] + '\n';
    text += c.column;
    for (const Opener& o : c.openers)
        for (const char letter : rules.openers[o.number]) {
            if (letter == kName) text += o.name.empty() ? "a" : o.name;
            else text += letter;
        }
    return text + c.begun;
}

// Reads a little further than `enough` only: most candidates are compared, not gone on from.
void Opening::judge(Candidate& c, const Search& search, std::size_t enough) const {
    c.text = spell(c);
    c.reading = {};
    c.is_judged = enough + kAhead >= search.suffix.size();
    std::vector<Thread> threads;
    recognizer_->advance(search.base, c.text, threads);
    recognizer_->keep_viable(threads);
    if (threads.empty()) return;
    const std::string_view text = std::string_view(search.suffix).substr(0, c.is_judged ? std::string::npos : enough + kAhead);
    c.reading = read(std::move(threads), text, search.budget);
    if (c.is_judged) return;
    c.is_judged = !c.reading.is_whole;
    if (c.reading.is_whole) c.reading = {false, true, true, enough + kAhead};
}

// A block whose body reaches down to `column`, or whose header stands there when the line is deeper.
void Opening::add_block(Candidate& c, const std::string& column, u32 header) {
    if (column.size() > c.column.size()) {
        c.blocks.push_back({c.column, header});
        c.column = column;
        return;
    }
    const auto at = std::find_if(c.blocks.begin(), c.blocks.end(), [&](const Block& b) { return b.column.size() > column.size(); });
    c.blocks.insert(at, {column, header});
    if (column.size() == c.column.size()) c.column += ' ';
}

// Where reading stops before a name that only what encloses it may have: that name.
std::string Opening::name_asked_for(const std::string& suffix, std::size_t at) const {
    const RuleTables& rules = recognizer_->language->rules;
    if (rules.own == kNoSymbol) return {};
    const std::size_t begin = std::min(suffix.find_first_not_of(rules.blanks, at), suffix.size());
    std::size_t end = begin;
    while (end < suffix.size() && (is_word(suffix[end]) || suffix[end] == '$' || static_cast<u8>(suffix[end]) >= 0x80)) end++;
    const std::size_t next = std::min(suffix.find_first_not_of(rules.blanks, end), suffix.size());
    const bool is_own = next < suffix.size() && rules.own_ends.find(suffix[next]) != std::string::npos;
    return is_own ? suffix.substr(begin, end - begin) : std::string();
}

void Opening::neighbours(const Candidate& c, const std::string& suffix, bool is_fair, std::vector<Candidate>& out) const {
    const RuleTables& rules = recognizer_->language->rules;
    out.clear();
    const std::string name = name_asked_for(suffix, c.reading.progress);
    const auto declares = [&](u32 o) { return !name.empty() && rules.openers[o].find(kName) != std::string::npos; };
    for (u32 o = 0; o < rules.openers.size() && c.openers.size() < kMaxOpeners; o++) {
        if (is_fair && (is_begun_lexeme(rules.openers[o]) || !may_close(rules.openers[o], c.reading.stop))) continue;
        for (std::size_t at = 0; at <= c.openers.size(); at++)
            for (const bool is_named : {false, true}) {
                if (is_named && !declares(o)) continue;
                out.push_back(c);
                out.back().openers.insert(out.back().openers.begin() + static_cast<std::ptrdiff_t>(at), {o, is_named ? name : std::string()});
            }
    }
    for (std::size_t i = 0; i < c.openers.size(); i++) {
        if (!declares(c.openers[i].number) || c.openers[i].name == name) continue;
        out.push_back(c);
        out.back().openers[i].name = name;
    }
    if (!c.on_new_line) return;
    for (u32 h = 0; h < rules.block_openers.size(); h++)
        for (std::size_t i = 0; i < c.blocks.size(); i++) {
            if (c.blocks[i].header == h) continue;
            out.push_back(c);
            out.back().blocks[i].header = h;
        }
    if (c.blocks.size() >= kMaxBlocks) return;
    // A block for the line where reading stopped, or for one of the next, if this line is their header.
    std::set<std::string> columns;
    for (std::size_t at = c.reading.progress, n = 0; at < suffix.size() && n < kMaxColumns; n++) {
        columns.insert(blanks_of_line(suffix, at));
        at = std::min(suffix.find('\n', suffix.find_first_not_of(" \t\r\n", at)), suffix.size());
    }
    for (const std::string& column : columns) {
        if (std::any_of(c.blocks.begin(), c.blocks.end(), [&](const Block& b) { return b.column == column; })) continue;
        for (u32 h = 0; h < rules.block_openers.size(); h++) {
            out.push_back(c);
            add_block(out.back(), column, h);
            if (column.size() <= c.column.size()) continue;
            out.push_back(out.back());  // the line there may go on with the block: "else"
            add_block(out.back(), column, h);
        }
    }
}

// Goes from the candidate to one behind which the suffix is accepted.
//
// From what reads furthest; that may lead nowhere (`record a(` reads on where `class a{void a(` is meant), so a fair
// search gives every number of steps its turn, and goes on from what reads as far as before with other parses left.
bool Opening::improve(Candidate& c, const Search& search) const {
    judge(c, search);
    if (c.reading.is_accepted || !c.reading.is_viable) return c.reading.is_accepted;
    std::vector<std::priority_queue<Candidate>> queues(search.is_fair ? kMaxSteps + 1 : 1);
    std::set<std::string> seen{c.text};
    std::set<u64> seen_parses{c.reading.parses};
    std::vector<Candidate> next;
    queues[0].push(c);
    for (std::size_t n = 0, steps = 0, idle = 0; n < search.max_expansions && idle < queues.size() && search.budget != 0;
         steps = (steps + 1) % queues.size()) {
        if (queues[steps].empty()) {
            idle++;
            continue;
        }
        idle = 0;
        n++;
        Candidate from = queues[steps].top();
        queues[steps].pop();
        if (!from.is_judged) {
            judge(from, search);
            if (from.reading.is_accepted) {
                c = from;
                return true;
            }
            queues[steps].push(from);
            continue;
        }
        neighbours(from, search.suffix, search.is_fair, next);
        const std::size_t to_steps = std::min(steps + 1, queues.size() - 1);
        const Candidate* found = nullptr;
        for (Candidate& to : next) {
            if (seen.count(spell(to)) != 0) continue;
            judge(to, search, from.reading.progress);
            seen.insert(to.text);
            if (to.reading.is_accepted && (found == nullptr || to.text.size() < found->text.size())) found = &to;
            if (!to.reading.is_viable) continue;
            const bool is_further = to.reading.progress > from.reading.progress || (search.is_wide && from.reading.progress == 0);
            const bool is_as_far = search.is_fair && to.reading.progress == from.reading.progress && to.reading.parses != 0;
            if (is_further || (is_as_far && seen_parses.insert(to.reading.parses).second)) queues[to_steps].push(to);
        }
        if (found != nullptr) {
            c = *found;
            return true;
        }
    }
    return false;
}

template <class Try>
std::string Opening::shortest(const std::vector<Thread>& threads, const std::string& closing, const Try& ways) const {
    std::string found;
    std::vector<Thread> base;
    for (std::size_t at = 0; at <= closing.size(); at++) {
        if (at > 0 && at < closing.size() && is_word(closing[at - 1]) && is_word(closing[at])) continue;
        recognizer_->advance(threads, std::string_view(closing).substr(0, at), base);
        recognizer_->keep_viable(base);
        if (base.empty()) continue;
        ways(base, at == closing.size(), [&](const Candidate& c) {
            const std::string way = closing.substr(0, at) + c.text;
            if (found.empty() || way.size() < found.size()) found = way;
        });
    }
    return found;
}

std::string Opening::find_again(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget) {
    const auto known = known_.find(hash_text(suffix));
    if (known == known_.end()) return {};
    return shortest(threads, closing, [&](const std::vector<Thread>& base, bool, const auto& take) {
        for (Candidate& c : known->second.ways) {
            judge(c, {base, suffix, budget, 0, false, false});
            if (c.reading.is_accepted) take(c);
        }
    });
}

void Opening::remember(Known& known, const Candidate& c) {
    known.ways.push_front(c);
    if (known.ways.size() > kMaxKnown) known.ways.pop_back();
}

// What the suffix may begin in the middle of, as candidates, that which reads furthest first.
std::vector<Opening::Candidate> Opening::begun_lexemes(const Search& search) const {
    const Language& language = *recognizer_->language;
    std::set<std::string> texts{""};
    std::size_t end = 0;
    while (end < search.suffix.size() && is_word(search.suffix[end])) end++;
    for (u32 t = 1; t < language.table.num_terminals && end != 0; t++) {  // "ret" before "urn x"
        const std::string name = language.table.symbol_name(t);
        if (name.size() > end && std::all_of(name.begin(), name.end(), is_word) && search.suffix.compare(0, end, name, name.size() - end) == 0)
            texts.insert(name.substr(0, name.size() - end));
    }
    for (const std::string& opener : language.rules.openers)
        if (is_begun_lexeme(opener)) texts.insert(opener);
    std::vector<Candidate> found;
    for (const std::string& text : texts) {
        Candidate c;
        c.on_new_line = !language.rules.block_openers.empty();
        c.begun = text;
        judge(c, search);
        if (c.reading.is_accepted || (c.reading.is_viable && !c.reading.is_whole)) found.push_back(c);
    }
    std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) { return b < a; });
    return found;
}

// Behind the whole closing, one search for each lexeme that the suffix may go on with: inside a comment or a string
// nearly everything reads, so that how far it is read says little beside what reads code.
std::string Opening::find_inside(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix,
                                 u64 budget, Known& known) const {
    std::vector<Thread> base;
    recognizer_->advance(threads, closing, base);
    recognizer_->keep_viable(base);
    for (Candidate c : begun_lexemes({base, suffix, budget, 0, false, true})) {
        u64 share = budget / 2;
        budget -= share;
        if (!improve(c, {base, suffix, share, kThorough, true, true})) continue;
        remember(known, c);
        return closing + c.text;
    }
    return {};
}

std::string Opening::find(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget) {
    if (known_.size() >= kMaxSuffixes) known_.clear();
    Known& known = known_[hash_text(suffix)];
    if (known.has_failed) budget /= 4;
    u64 rest = budget;
    const bool has_blocks = !recognizer_->language->rules.block_openers.empty();
    std::string found = shortest(threads, closing, [&](const std::vector<Thread>& base, bool is_last, const auto& take) {
        for (const bool on_new_line : {false, true}) {
            if (on_new_line && (!has_blocks || !is_last)) continue;
            const bool is_wide = is_last && on_new_line == has_blocks;
            Candidate c;
            c.on_new_line = on_new_line;
            if (!improve(c, {base, suffix, budget, is_wide ? kThorough : kQuick, is_wide, false})) continue;
            take(c);
            remember(known, c);
        }
    });
    if (found.empty()) found = find_inside(threads, closing, suffix, rest, known);
    known.has_failed = found.empty();
    return found;
}

}  // namespace codefusion
