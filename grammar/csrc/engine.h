// Everything that requests for one language and vocabulary share: recogniser, splits, stored masks. One lock.
#pragma once
#include <mutex>
#include <set>

#include "closing.h"
#include "mask.h"
#include "name_tokens.h"

namespace codefusion {

class Matcher;

class Engine {
public:
    // Bounds, beyond which what was not met since the last time is dropped and made anew (counted in `collections`).
    static constexpr std::size_t kMaxNodes = 400'000;          // about 25 MB of stacks
    static constexpr std::size_t kMaxEvaluatorBytes = 56 << 20;
    static constexpr std::size_t kMaxScopes = 100'000;         // about 5 MB of names

    Engine(std::shared_ptr<const Language> language, std::shared_ptr<const Vocabulary> vocabulary,
           std::size_t max_evaluator_bytes = kMaxEvaluatorBytes);

    // Called with the lock held, between operations: keeps memory within the bounds.
    void collect_if_large();

    std::shared_ptr<const Language> language;
    std::shared_ptr<const Vocabulary> vocabulary;
    Recognizer recognizer;
    TokenSplits splits;
    MaskEvaluator masks;
    Closing closing;
    NameTokens name_tokens;
    std::mutex lock;
    std::set<Matcher*> matchers;
    u64 collections = 0;
    std::size_t max_evaluator_bytes, collect_nodes_at = kMaxNodes, collect_bytes_at, collect_scopes_at = kMaxScopes;
    std::vector<u64> scratch;  // one row
};

}  // namespace codefusion
