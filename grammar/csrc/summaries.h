// What a function gives where only the parser state on top is known, made once and kept.
//
//     stack   …  below │ top            tokens   "(x"  "()"  "())"  "())\n" …   after  f
//                      │ top (          stays above the line: settled here, once for all stacks
//                      │ top ( )
//                ◄─────┤ call           takes `top` off: an exit. What is left of the tokens goes on from there, all
//                                       tokens that come out at one place together
// Reductions are how tokens leave, so a token as long as "('')" costs a mask one question instead of five.
//
// A function is the union of its parts over terminals, so it may go on by several reductions at once, each with the
// terminals that it is for. What cannot be told without the stack (words that are keywords in one place and names in
// another, comments that must end a line, bytes to be read again, extras) is left to it: an exit that takes nothing off.
#pragma once
#include "functions.h"

namespace codefusion {

struct Exit {
    FunctionId function;  // kNone: a completion, whose bytes have to be read again first
    u32 pops;             // stack nodes to take off, then `nonterminal` is pushed; 0: nothing, `path` is pushed
    u16 nonterminal;
    bool is_extra;        // of a completion: it leaves the stack as it is
    ContextId context;    // rule states on top before the reduction, where rules read them
    u32 path, path_size;  // into paths()
    u32 completion;       // function == kNone: its number within the split
};

class Summaries {
public:
    Summaries(Recognizer* recognizer, TokenSplits* splits, Functions* functions, Records* records);

    struct Summary {
        RecordId record;
        u32 first_exit, num_exits;
    };
    // What the completions with these terminals give in a state. `keywords`: of Functions::keywords_for.
    Summary completions(FunctionId f, u32 keywords, u32 valid, StateId state, const TerminalSet& terminals, u64 key);
    static u64 key_of(FunctionId f, u32 keywords, StateId state, const TerminalSet& terminals);
    void prefetch(u64 key) const { completion_ids_.prefetch(key); }

    const Exit& exit(u32 number) const { return exits_[number]; }
    const StateId* path(const Exit& e) const { return paths_.data() + e.path; }
    void prefetch_exits(const Summary& s) const { __builtin_prefetch(exits_.data() + s.first_exit); }

    void clear();
    void copy_records();
    void save(Writer& w);  // while records are being copied
    void load(Reader& r);
    std::size_t bytes() const;
    u64 num_made = 0;

private:
    static constexpr u32 kInProgress = kNone - 1;
    struct Known {  // of completions()
        FunctionId function;
        u32 keywords;
        StateId state;
        TerminalSet terminals;
        Summary summary;
    };
    struct SavedWhole {
        u64 key;
        Summary summary;
        u32 unused;
    };
    struct Pending {  // a function above the known state, on a stack one state higher
        StateId state;
        FunctionId function;
    };
    struct Gathered {  // an exit under way; its path is not stored yet
        Exit exit;
        std::vector<StateId> path;
    };
    struct Work {
        std::vector<Pending> pending;
        std::vector<Gathered> exits;
    };

    Summary whole(FunctionId f, StateId state, u32 depth);
    TerminalSet uncertain(const Function& f, StateId state);
    bool comments_depend(StateId state) const;
    void complete(FunctionId f, TerminalSet keywords, StateId state, const TerminalSet& terminals, Work& work);
    void settle(StateId state, Work& work, u32 depth);
    void leave(Work& work, FunctionId f, std::vector<StateId> path);
    Summary store(const Records::Mark& mark, Work& work);
    void merge(std::vector<Gathered>& exits);

    Recognizer* recognizer_;
    TokenSplits* splits_;
    Functions* functions_;
    Records* records_;
    Table whole_ids_, completion_ids_;
    std::vector<Summary> wholes_;
    Array<Known> known_;
    Array<Exit> exits_;
    Array<StateId> paths_;
};

}  // namespace codefusion
