// Token splits and the results that no stack is needed for, written out and read back: a process need not build them.
#pragma once
#include "engine.h"

namespace codefusion {

class Artifact {
public:
    static std::string save(Engine& engine);
    // Into an engine that has not been used yet. Throws GrammarError when the bytes do not fit.
    static void load(Engine& engine, const char* data, std::size_t size);
};

}  // namespace codefusion
