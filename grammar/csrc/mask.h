// Which tokens may follow: evaluates token splits against parser stacks.
//
// A record is a set of tokens: a few ids and references to stored sets. What is stored, and under which key:
//   base        (split, valid set)                  tokens that end inside their first lexeme
//   shallow     (function, valid set, state, terminals)   completions whose rest reads only the new state
//   windows     (function, the states that were read)     everything; a hit is right by construction, because the
//                                                          key is exactly what the evaluation inspected
//   masks       record -> packed words              a hit is one copy
// Completions that read deeper are evaluated one by one; that bounds the worst case by computation.
#pragma once
#include "token_splits.h"
#include "windows.h"

namespace codefusion {

class MaskEvaluator {
public:
    MaskEvaluator(Recognizer* recognizer, TokenSplits* splits, const Vocabulary* vocabulary);

    // Writes the allowed tokens of all parses (stop ids aside) to `row`; `words` is working space, num_words() long.
    void fill(const std::vector<Thread>& threads, u64* words, void* row, std::size_t num_bytes);
    void clear();          // forgets every result; the splits stay
    void forget_stacks();  // forgets what refers to stack nodes (they are about to be renumbered)
    // Forgets the windows that were not met since the last call, and what only they need. Appends the stack nodes that
    // the others refer to, so that they can be renumbered.
    void drop_unused(std::vector<NodeId*>& nodes);
    std::size_t bytes() const;

    struct Statistics {
        u64 fills = 0, mask_hits = 0, evaluations = 0, bodies = 0, bases = 0, shallows = 0, deep = 0, overflows = 0;
    } statistics;

private:
    using FunctionId = u32;
    using RecordId = u32;
    static constexpr u32 kRecordRef = 0x80000000u;

    // A split in a lexer mode. The mode decides reserved words, and where lexing goes on after an extra.
    struct Function {
        SplitId split;
        ModeId mode;
        bool has_lines;
        u32 tree, num_tokens;
        TerminalSet completed;
    };
    struct Record {
        u32 offset = 0, num_ids = 0, num_refs = 0;  // into arena_: ids, then references to sets or records
    };
    struct Deep {
        u32 completion;
        FunctionId function;  // kNone: bytes have to be read again first
        StateId target;
        bool is_extra;
    };
    struct Shallow {
        FunctionId function;
        u32 valid;
        StateId state;
        TerminalSet terminals;
        RecordId record;
        u32 first_deep, num_deep;
    };
    // A stack that reductions lead to: the terminals that are looked for there, and those it can shift.
    struct Step {
        NodeId node = 0;
        TerminalSet wanted, terminals;
        u64 key = 0;
        RecordId record = 0;
        u32 first_deep = 0, num_deep = 0;
    };
    struct Child {  // a deep completion and its stack
        u32 deep;
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

    FunctionId function_of(SplitId split, ModeId mode);
    FunctionId function_at(ConfigId config, SuffixId rests, ModeId mode) { return function_of(splits_->split(config, rests), mode); }
    FunctionId child_function(u32 completion_number, ModeId mode, SuffixId rests);
    RecordId evaluate(FunctionId f, NodeId node, u32 depth, const Line& line);
    void evaluate_into(FunctionId f, NodeId node, u32 depth, const Line& line);
    void body(FunctionId f, NodeId node, u32 depth, const Line& line);
    void descend(NodeId node, ModeId mode, TextId reread, SuffixId rests, u32 completion_number, u32 depth, const Line& line);
    void steps_reached(FunctionId f, NodeId node, u32 valid);
    static u64 shallow_key(FunctionId f, u32 valid, StateId state, const TerminalSet& terminals);
    const Shallow& shallow(FunctionId f, u32 valid, NodeId node, const TerminalSet& terminals, u64 key);
    bool base_only(FunctionId f, NodeId node, RecordId* record);
    RecordId base(SplitId split, u32 valid);
    Reread reread(ModeId mode, TextId text);
    void resolve_lines(FunctionId f, NodeId node, u32 depth, const Line& line);

    void add_set(SetId set);
    void add_record(RecordId r);
    RecordId copied(RecordId r, std::vector<RecordId>& copies, Array<Record>& records, Array<u32>& arena) const;
    RecordId make_record(std::size_t first_id, std::size_t first_ref);
    void gather(RecordId r, std::vector<const TokenSet*>& dense, std::vector<const u32*>& sparse) const;
    void apply(const std::vector<RecordId>& records, u64* words);
    const u64* mask_of(RecordId r, u64* words);

    Recognizer* recognizer_;
    TokenSplits* splits_;
    StackForest* forest_;
    std::size_t num_words_;

    WindowTree windows_;  // whole results, by function
    std::vector<Function> functions_;
    Table function_ids_, child_functions_, bases_, shallow_ids_, reread_ids_, masks_of_record_, mask_ids_;
    Table top_records_;
    Array<Record> records_;
    Array<u32> arena_;
    std::vector<u32> ids_, refs_;
    std::vector<Step> steps_;      // of all evaluations under way, innermost last
    std::vector<Child> children_;
    std::vector<const TokenSet*> dense_;
    std::vector<const u32*> sparse_;  // begin, end, begin, end, ...
    Array<Shallow> shallows_;
    Array<Deep> deeps_;
    std::vector<Reread> rereads_;
    std::vector<std::vector<u64>> masks_;
};

}  // namespace codefusion
