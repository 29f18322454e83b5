#include "name_tokens.h"

namespace codefusion {
namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           static_cast<u8>(c) >= 0x80;
}

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

void NameTokens::build() {
    is_built_ = true;
    for (u32 id = 0; id < vocabulary_->size(); id++)
        if (vocabulary_->bytes(id) != nullptr) add(id);
}

void NameTokens::add(u32 id) {
    const RuleTables& rules = recognizer_->language->rules;
    const std::string_view text = *vocabulary_->bytes(id);
    std::vector<std::string_view> before;
    bool repeats = false;
    for (std::size_t at = 0; at < text.size(); at++) {
        if (!is_letter(text[at])) continue;
        const std::size_t begin = at;
        while (at < text.size() && is_letter(text[at])) at++;
        const std::string_view letters = text.substr(begin, at - begin);
        const std::size_t next = text.find_first_not_of(rules.blanks, at);
        if (next != std::string_view::npos && rules.own_ends.find(text[next]) != std::string::npos) {
            (begin == 0 ? first_ : later_)[std::string(letters)].push_back(id);
            for (const std::string_view b : before) repeats |= b == letters || (b.data() == text.data() && ends_with(letters, b));
        }
        before.push_back(letters);
    }
    if (repeats) repeating_.push_back(id);
}

void NameTokens::find(ScopeId scope, const std::string& partial, std::vector<u32>& out) const {
    const Names& names = recognizer_->names;
    out = repeating_;
    const auto take = [&](const TokensByText& tokens, const std::string& letters) {
        const auto found = tokens.find(letters);
        if (found != tokens.end()) out.insert(out.end(), found->second.begin(), found->second.end());
    };
    const std::string open = (names.is_open(scope) ? names.open_text(scope) : std::string()) + partial;
    names.each(names.closed(scope), [&](const std::string& name) {
        take(first_, name);
        take(later_, name);
        if (!open.empty() && name.size() > open.size() && name.compare(0, open.size(), open) == 0)
            take(first_, name.substr(open.size()));
    });
    if (names.is_open(scope)) take(later_, names.open_text(scope));  // the lexeme may give the name
}

const std::vector<u32>& NameTokens::candidates(const Thread& thread) {
    if (!is_built_) build();
    const std::string& partial = recognizer_->config(thread.config).partial;
    if (!partial.empty()) {
        find(thread.indent, partial, scratch_);
        return scratch_;
    }
    const auto known = known_.find(thread.indent);
    if (known != known_.end()) return known->second;
    if (known_.size() >= kMaxKnown) known_.clear();
    find(thread.indent, partial, known_[thread.indent]);
    return known_[thread.indent];
}

}  // namespace codefusion
