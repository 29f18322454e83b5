// The exact lexer automaton of a grammar, learnt from its compiled lex function.
#pragma once
#include <algorithm>
#include "base.h"
#include "tree_sitter_abi.h"

namespace codefusion {

// Unicode cut into the character classes that the grammar's lexers can tell apart: 128 for ASCII, a few beyond.
struct CharClasses {
    u32 num_classes = 128;
    std::vector<u32> interval_starts;  // above ASCII, ascending
    std::vector<u16> interval_class;
    std::vector<u32> representatives;  // one code point a class

    u32 of(u32 code_point) const {
        if (code_point < 128) return code_point;
        const auto it = std::upper_bound(interval_starts.begin(), interval_starts.end(), code_point);
        return interval_class[static_cast<std::size_t>(it - interval_starts.begin()) - 1];
    }
    // Cuts classes beyond ASCII by membership in the sets; gives the class that each one was before.
    std::vector<u32> refine(const std::vector<std::vector<u32>>& sets);
};

struct Automaton {
    static constexpr u16 kDead = 0xffff;
    u32 num_states = 0, num_classes = 0;
    std::vector<u16> next;       // [state * num_classes + class]
    std::vector<u8> skips;       // the same shape: the character is skipped, the lexeme has not begun
    std::vector<u16> accepts;    // terminal recognised on entry; kNoSymbol
    std::vector<TerminalSet> forgets;  // these, accepted before this state, no longer count
    std::vector<TerminalSet> reachable;  // terminals that some continuation ends in
    std::vector<u16> canonical;  // smallest state of equal behaviour

    u16 step(u32 state, u32 cls) const { return next[static_cast<std::size_t>(state) * num_classes + cls]; }
    bool skip(u32 state, u32 cls) const { return skips[static_cast<std::size_t>(state) * num_classes + cls] != 0; }
    // Where a lexeme that ends in `terminal` would be cut off before `character`, it is `bad` instead.
    void glue(const std::vector<u16>& pairs, u16 bad);
    Automaton widened(const std::vector<u32>& old_class) const;  // over refined classes
    void finish();  // fills reachable, forgets; call after the arrays above are complete
};

// A lexeme rule: the whole text of these terminals must drive this automaton into an accepting state.
struct LexemeFilter {
    static constexpr u8 kDead = 255;
    static constexpr u32 kClasses = 132;
    std::vector<u16> terminals;
    u32 num_states = 0;
    std::vector<u8> next;  // [state * kClasses + class]: ASCII, then 128 + 1 (in character set 0) + 2 (in set 1)
    std::vector<u8> accepting, commit;
    std::vector<u16> variants;  // of a filter that only tells lexemes apart: what the numbers in accepting stand for
    bool can_commit(u8 state) const;  // whether some continuation is committed
};

using LexFunction = bool (*)(ts::Lexer*, ts::StateId);

// Learns the automata of the main and the keyword lexer. Every lexer state can be entered directly, so partition
// refinement with distinguishing words finds the exact automaton; cost 0.1 to 1 s a grammar.
class AutomatonLearner {
public:
    explicit AutomatonLearner(const ts::Language* language);
    CharClasses classes;
    Automaton main, keywords;
    // Runs num_words random words through the compiled lexer and the learnt automaton; throws on a difference.
    void verify(u32 num_words, u64 seed) const;

private:
    u32 count_states(LexFunction f) const;
    void find_classes();
    Automaton learn(LexFunction f, u32 num_states) const;

    const ts::Language* language_;
    u32 num_main_ = 0, num_keyword_ = 0;
};

// Main automaton times lexeme filters: a lexeme that a filter refuses is accepted as `bad`.
// The states 0..n-1 keep their numbers (lexing starts there).
Automaton apply_filters(const Automaton& automaton, const CharClasses& classes,
                        const std::vector<LexemeFilter>& filters, const std::vector<std::vector<u32>>& sets, u16 bad);

}  // namespace codefusion
