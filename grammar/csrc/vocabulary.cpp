#include "vocabulary.h"

#include <algorithm>

namespace codefusion {

Vocabulary::Vocabulary(std::vector<std::optional<std::string>> tokens, std::vector<u32> stops, u32 w)
    : width(w), stop_ids(std::move(stops)), fingerprint(w), tokens_(std::move(tokens)) {
    if (tokens_.size() > width)
        throw GrammarError("expected at most " + std::to_string(width) + " tokens (the width), got " +
                           std::to_string(tokens_.size()));
    if (width > 0xfffff) throw GrammarError("expected a width below 1,048,576, got " + std::to_string(width));
    stop_.assign(width, false);
    for (u32 id : stop_ids) {
        if (id >= width) throw GrammarError("stop id " + std::to_string(id) + " lies past the width");
        stop_[id] = true;
        if (id < tokens_.size()) tokens_[id].reset();  // a stop id ends the text; it is never text
        fingerprint = hash_combine(fingerprint, id);
    }
    for (u32 id = 0; id < tokens_.size(); id++) {
        if (!tokens_[id]) continue;
        const std::string& t = *tokens_[id];
        if (t.empty() || t.size() > kMaxTokenBytes) {
            tokens_[id].reset();
            continue;
        }
        by_bytes_.emplace(t, id);
        longest_ = std::max(longest_, t.size());
        fingerprint = hash_combine(fingerprint, id);
        for (char c : t) fingerprint = fingerprint * 0x100000001b3ull ^ static_cast<u8>(c);
    }
}

std::optional<std::vector<u32>> Vocabulary::tokenize(std::string_view text) const {
    std::vector<u32> ids;
    while (!text.empty()) {
        std::size_t n = std::min(longest_, text.size());
        while (n > 0 && by_bytes_.count(text.substr(0, n)) == 0) n--;
        if (n == 0) return std::nullopt;
        ids.push_back(by_bytes_.at(text.substr(0, n)));
        text.remove_prefix(n);
    }
    return ids;
}

}  // namespace codefusion
