// Which tokens may follow: evaluates functions (token splits) against parser stacks.
//
// What is stored, and under which key:
//   base         (split, valid set)                    tokens that end inside their first lexeme
//   summaries    (function, state, terminals)          what the state on top settles, and where the rest leaves
//   windows      (function, the states that were read) everything; a hit is right by construction, because the key is
//                                                      exactly what the evaluation inspected
//   masks        record -> packed words                a hit is one copy
// A miss walks the reductions of the stack once and follows the exits, each with all tokens that leave there.
#pragma once
#include "summaries.h"

namespace codefusion {

class MaskEvaluator {
public:
    MaskEvaluator(Recognizer* recognizer, TokenSplits* splits, const Vocabulary* vocabulary);

    // Writes the allowed tokens of all parses (stop ids aside) to `row`; `words` is working space, num_words() long.
    void fill(const std::vector<Thread>& threads, u64* words, void* row, std::size_t num_bytes);
    // Makes what masks need in the parser states met so far, for every lexeme that may be open there; one stack a state
    // stands for all. For engines that are being built. Stops at `max_bytes`.
    void anticipate(std::size_t max_bytes);
    void clear();          // forgets every result; the splits stay
    void forget_stacks();  // forgets what refers to stack nodes (they are about to be renumbered)
    // Forgets the windows that were not met since the last call, and what only they need. Appends the stack nodes that
    // the others refer to, so that they can be renumbered.
    void drop_unused(std::vector<NodeId*>& nodes);
    std::size_t bytes() const;
    // What does not depend on stacks: bases and summaries. Into an evaluator that has not been used yet.
    void save(Writer& w);
    void load(Reader& r, u32 width);

    struct Statistics {
        u64 fills = 0, mask_hits = 0, evaluations = 0, bodies = 0, bases = 0, summaries = 0, exits = 0, overflows = 0;
    };
    Statistics statistics() const;

private:
    // A stack that reductions lead to: the terminals that are looked for there, and those it can shift.
    struct Step {
        NodeId node = 0;
        TerminalSet wanted, terminals;
        u64 key = 0;
        Summaries::Summary summary{0, 0, 0};
    };
    struct Child {  // an exit taken: the stack it leads to
        u32 exit;
        NodeId node;
    };
    // Bytes left over from before, lexed from a fresh lexer: what comes of them.
    struct Reread {
        enum Kind : u8 { kDead, kOpen, kLexeme, kResolve } kind = kDead;
        u16 terminal = 0, keyword = 0;
        ConfigId config = 0;
        TextId rest = 0;
        bool crossed = false;
        u32 column = 0, alt_column = 0;
    };
    // Where the line that is being read began; only functions with lines look at it.
    struct Line {
        IndentId indent;
        u32 column, alt_column;
    };

    RecordId evaluate(FunctionId f, NodeId node, u32 depth, const Line& line);
    void evaluate_into(FunctionId f, NodeId node, u32 depth, const Line& line);
    bool base_only(FunctionId f, NodeId node, RecordId* record);
    void body(FunctionId f, NodeId node, u32 depth, const Line& line);
    void steps_reached(FunctionId f, NodeId node, u32 valid, u32 keywords);
    NodeId leave(const Exit& exit, NodeId node);
    void descend(NodeId node, ModeId mode, TextId reread, SuffixId rests, u32 completion_number, u32 depth, const Line& line);
    Reread reread(ModeId mode, TextId text);
    void resolve_lines(FunctionId f, NodeId node, u32 depth, const Line& line);

    Recognizer* recognizer_;
    TokenSplits* splits_;
    StackForest* forest_;
    Records records_;
    WindowTree windows_;  // whole results, by function
    Functions functions_;
    Summaries summaries_;
    Table reread_ids_;
    std::vector<Reread> rereads_;
    std::vector<Step> steps_;  // of all evaluations under way, innermost last
    std::vector<Child> children_;
    Statistics statistics_;
};

}  // namespace codefusion
