#include "opening.h"

#include <algorithm>
#include <queue>
#include <set>

namespace codefusion {
namespace {

constexpr u32 kMaxSteps = 12;
constexpr u32 kQuick = 8, kThorough = 60;  // candidates to go on from
constexpr std::size_t kMaxKnown = 8, kMaxSuffixes = 64;

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

// Behind the whole closing, one search for each lexeme that the suffix may go on with: inside a comment or a string
// nearly everything reads, so that how far it is read says little beside what reads code.
std::string Opening::find_inside(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix,
                                 u64 budget, Known& known) const {
    // A line break ends an open line comment, in which everything would read.
    const std::string ended = recognizer_->language->rules.block_openers.empty() ? closing + "\n" : closing;
    std::vector<Thread> base;
    recognizer_->advance(threads, ended, base);
    recognizer_->keep_viable(base);
    for (Candidate c : begun_lexemes({base, suffix, budget, 0, false, true})) {
        u64 share = budget / 2;
        budget -= share;
        if (!improve(c, {base, suffix, share, kThorough, true, true})) continue;
        remember(known, c);
        return ended + c.text;
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
