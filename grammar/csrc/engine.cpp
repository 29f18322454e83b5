#include "engine.h"

#include <algorithm>

#include "matcher.h"

namespace codefusion {

Engine::Engine(std::shared_ptr<const Language> l, std::shared_ptr<const Vocabulary> v)
    : language(std::move(l)), vocabulary(std::move(v)), recognizer(*language), splits(&recognizer, vocabulary.get()),
      masks(&recognizer, &splits, vocabulary.get()), closing(&recognizer),
      scratch(vocabulary->num_words()) {}

void Engine::collect_if_large() {
    if (recognizer.forest.size() > collect_nodes_at) {
        std::vector<NodeId*> roots;
        for (Matcher* m : matchers) m->add_roots(roots);
        recognizer.forest.compact(roots);
        collect_nodes_at = std::max(kMaxNodes, 2 * recognizer.forest.size());
        masks.forget_stacks();
        closing.forget_stacks();
        collections++;
    }
    if (masks.bytes() > kMaxEvaluatorBytes) {
        masks.clear();
        collections++;
    }
}

}  // namespace codefusion
