// What a fuzz program works on: a language and a vocabulary, read from the file that CODEFUSION_FUZZ_TARGET names.
//
// scripts/native_fuzz.py writes the file, because rules are compiled in Python:
//     shared library of the grammar's wheel, scanner, rule tables, tokens
#pragma once
#include "matcher.h"

namespace codefusion::fuzz {

struct Target {
    std::shared_ptr<const Language> language;
    std::shared_ptr<const Vocabulary> vocabulary;
    std::shared_ptr<Engine> new_engine() const { return std::make_shared<Engine>(language, vocabulary); }
};

// Read once; ends the program with a message when the file cannot be used.
const Target& target();

// A law that every input must keep.
void check(bool holds, const char* law);

}  // namespace codefusion::fuzz
