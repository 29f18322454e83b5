// The candidates of a way to right context: how one is spelled, and what is tried beside it.
#include <algorithm>

#include "opening.h"

namespace codefusion {
namespace {

constexpr char kName = 1;  // in an opener: the name of what it declares
constexpr std::size_t kMaxOpeners = 8, kMaxBlocks = 16, kMaxColumns = 6;

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

}  // namespace codefusion
