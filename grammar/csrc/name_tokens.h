// Tokens that the splits cannot judge, because they complete a lexeme that may be the name around it (names.h).
//
//     class Foo { F|      "oo(" makes it a constructor. Splits know no names: to them an identifier that ends inside a
//                         token is never the class's. So the mask lacks these tokens; they are few, and are tried.
//
// Where the lexeme ends before the token the splits do know, see Recognizer::config_with_name.
#pragma once
#include "recognizer.h"
#include "vocabulary.h"

namespace codefusion {

class NameTokens {
public:
    NameTokens(const Recognizer* recognizer, const Vocabulary* vocabulary) : recognizer_(recognizer), vocabulary_(vocabulary) {}

    // Every token that may be allowed behind the parse although the splits refuse it. Valid until the next call.
    const std::vector<u32>& candidates(const Thread& thread);
    void forget_scopes() { known_.clear(); }  // they are about to be renumbered

private:
    static constexpr std::size_t kMaxKnown = 1 << 12;
    using TokensByText = std::unordered_map<std::string, std::vector<u32>>;
    void build();
    void add(u32 id);
    void find(ScopeId scope, const std::string& partial, std::vector<u32>& out) const;

    const Recognizer* recognizer_;
    const Vocabulary* vocabulary_;
    bool is_built_ = false;
    // By letters that a character follows which only an own name may have: those the token begins with, and later ones.
    TokensByText first_, later_;
    std::vector<u32> repeating_;  // with letters that come again: a class and its constructor in one token
    std::unordered_map<ScopeId, std::vector<u32>> known_;
    std::vector<u32> scratch_;
};

}  // namespace codefusion
