#include "engine.h"

#include <algorithm>

#include "matcher.h"

namespace codefusion {

Engine::Engine(std::shared_ptr<const Language> l, std::shared_ptr<const Vocabulary> v,
               std::size_t max_bytes)
    : language(std::move(l)), vocabulary(std::move(v)), recognizer(*language), splits(&recognizer, vocabulary.get()),
      masks(&recognizer, &splits, vocabulary.get()), closing(&recognizer),
      name_tokens(&recognizer, vocabulary.get()),
      max_evaluator_bytes(max_bytes), collect_bytes_at(max_bytes), scratch(vocabulary->num_words()) {}

void Engine::collect_if_large() {
    if (recognizer.forest.size() <= collect_nodes_at && masks.bytes() <= collect_bytes_at &&
        recognizer.names.size() <= collect_scopes_at)
        return;
    collections++;
    if (recognizer.names.is_used()) {
        std::vector<ScopeId*> scopes;
        for (Matcher* m : matchers) m->add_scopes(scopes);
        name_tokens.forget_scopes();
        recognizer.names.compact(scopes);
        collect_scopes_at = std::max(kMaxScopes, 2 * recognizer.names.size());
    }
    std::vector<NodeId*> in_use, remembered;
    for (Matcher* m : matchers) m->add_roots(in_use);
    masks.drop_unused(remembered);
    if (masks.bytes() > max_evaluator_bytes / 8 * 7) {  // even what is in use is too much
        masks.clear();
        remembered.clear();
    }
    remembered.insert(remembered.end(), in_use.begin(), in_use.end());
    recognizer.forest.compact(remembered);
    if (recognizer.forest.size() > kMaxNodes / 2) {
        masks.forget_stacks();
        recognizer.forest.compact(in_use);
    }
    closing.forget_stacks();
    // More while more is in use, or every step would collect.
    collect_nodes_at = std::max(kMaxNodes, 2 * recognizer.forest.size());
    collect_bytes_at = std::max(max_evaluator_bytes, masks.bytes() + max_evaluator_bytes / 4);
}

}  // namespace codefusion
