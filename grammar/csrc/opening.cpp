#include "opening.h"

#include <algorithm>
#include <queue>
#include <set>

namespace codefusion {
namespace {

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
    return {false, true, false, last};
}

std::string Opening::spell(const Candidate& c) const {
    const RuleTables& rules = recognizer_->language->rules;
    std::string text;
    if (c.on_new_line) text += '\n';
    for (const Block& b : c.blocks) text += b.column + rules.block_openers[b.header] + '\n';
    text += c.column;
    for (const u32 o : c.openers) text += rules.openers[o];
    return text;
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

void Opening::neighbours(const Candidate& c, const std::string& suffix, std::vector<Candidate>& out) const {
    const RuleTables& rules = recognizer_->language->rules;
    out.clear();
    for (u32 o = 0; o < rules.openers.size() && c.openers.size() < kMaxOpeners; o++)
        for (std::size_t at = 0; at <= c.openers.size(); at++) {
            out.push_back(c);
            out.back().openers.insert(out.back().openers.begin() + static_cast<std::ptrdiff_t>(at), o);
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
bool Opening::improve(Candidate& c, const Search& search) const {
    judge(c, search);
    if (c.reading.is_accepted || !c.reading.is_viable) return c.reading.is_accepted;
    std::priority_queue<Candidate> queue;
    std::set<std::string> seen{c.text};
    std::vector<Candidate> next;
    queue.push(c);
    for (u32 n = 0; n < search.max_expansions && !queue.empty() && search.budget != 0; n++) {
        Candidate from = queue.top();
        queue.pop();
        if (!from.is_judged) {
            judge(from, search);
            if (from.reading.is_accepted) {
                c = from;
                return true;
            }
            queue.push(from);
            continue;
        }
        neighbours(from, search.suffix, next);
        const Candidate* found = nullptr;
        for (Candidate& to : next) {
            if (seen.count(spell(to)) != 0) continue;
            judge(to, search, from.reading.progress);
            seen.insert(to.text);
            if (to.reading.is_accepted && (found == nullptr || to.text.size() < found->text.size())) found = &to;
            const bool is_further = to.reading.progress > from.reading.progress || (search.is_wide && from.reading.progress == 0);
            if (to.reading.is_viable && is_further) queue.push(to);
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
            judge(c, {base, suffix, budget, 0, false});
            if (c.reading.is_accepted) take(c);
        }
    });
}

std::string Opening::find(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget) {
    if (known_.size() >= kMaxSuffixes) known_.clear();
    Known& known = known_[hash_text(suffix)];
    if (known.has_failed) budget /= 4;
    const bool has_blocks = !recognizer_->language->rules.block_openers.empty();
    const std::string found = shortest(threads, closing, [&](const std::vector<Thread>& base, bool is_last, const auto& take) {
        for (const bool on_new_line : {false, true}) {
            if (on_new_line && (!has_blocks || !is_last)) continue;
            const bool is_wide = is_last && on_new_line == has_blocks;
            Candidate c;
            c.on_new_line = on_new_line;
            if (!improve(c, {base, suffix, budget, is_wide ? kThorough : kQuick, is_wide})) continue;
            take(c);
            known.ways.push_front(c);
            if (known.ways.size() > kMaxKnown) known.ways.pop_back();
        }
    });
    known.has_failed = found.empty();
    return found;
}

}  // namespace codefusion
