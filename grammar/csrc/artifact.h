// Token splits written out and read back, so that a process need not build them again.
#pragma once
#include "engine.h"

namespace codefusion {

class Artifact {
public:
    // Everything the splits of an engine consist of.
    static std::string save(Engine& engine);
    // Into an engine that has not been used yet. Throws GrammarError when the bytes do not fit.
    static void load(Engine& engine, const char* data, std::size_t size);
};

}  // namespace codefusion
