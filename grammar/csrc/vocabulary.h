// The model's tokens as bytes. Language-independent and immutable; shared by every engine.
#pragma once
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base.h"

namespace codefusion {

class Vocabulary {
public:
    static constexpr std::size_t kMaxTokenBytes = 4095;  // longer tokens are never allowed

    // tokens[i]: bytes of id i, or nothing for ids without bytes (special tokens, ids past the tokenizer).
    Vocabulary(std::vector<std::optional<std::string>> tokens, std::vector<u32> stop_ids, u32 width);

    const std::string* bytes(u32 id) const { return id < tokens_.size() && tokens_[id] ? &*tokens_[id] : nullptr; }
    // Ids that spell the text, the longest token first at each place; nothing when a byte has no token.
    std::optional<std::vector<u32>> tokenize(std::string_view text) const;
    bool is_stop(u32 id) const { return id < width && stop_[id]; }
    std::size_t size() const { return tokens_.size(); }
    std::size_t num_words() const { return (width + 63) / 64; }

    u32 width;                    // length of a logits row
    std::vector<u32> stop_ids;
    u64 fingerprint;              // of the bytes, the stop ids and the width

private:
    std::vector<std::optional<std::string>> tokens_;
    std::vector<bool> stop_;
    std::unordered_map<std::string_view, u32> by_bytes_;
    std::size_t longest_ = 0;
};

}  // namespace codefusion
