// The short way to a valid text: what to append so that it may end.
//
// A table made once per grammar bounds how much has to be shifted until a stack is accepted (a min-plus fixpoint
// over shifts, gotos and reductions); a best-first search then spells it. The table ignores rules and lookaheads,
// so the search checks every step with the recogniser: what it returns ends in an accepted text.
#pragma once
#include "opening.h"

namespace codefusion {

class Closing {
public:
    explicit Closing(Recognizer* recognizer);

    // Bytes to append; nothing when none were found within the bound on work. `suffix` follows them.
    struct Result {
        bool found = false;
        std::string bytes;
    };
    Result close(const std::vector<Thread>& threads, const std::string& suffix = {});

    void forget_stacks() {  // stack nodes are about to be renumbered
        distances_.clear();
        known_.clear();
    }

    u64 searches = 0, expansions = 0, failures = 0;

private:
    static constexpr u32 kFar = 1u << 20;
    struct Way {  // from a state: after shifting symbols of this cost, a reduction pops `pops` of the old stack
        u16 pops, nonterminal;
        u32 cost;
    };
    void build();
    Result search(const std::vector<Thread>& threads, const std::string& suffix, u32 max_expansions);
    void spell();
    u32 distance(NodeId below, u16 lr, u32 depth);
    u32 distance(NodeId node) { return distance(recognizer_->forest[node].parent, recognizer_->forest.state(node).lr, 0); }
    bool accepted(const std::vector<Thread>& threads, const std::string& suffix);
    void candidates(const Thread& thread, std::vector<std::string>& out);
    void line_candidates(const Thread& thread, std::vector<std::string>& out) const;
    void endings(const Thread& thread, std::vector<std::string>& out) const;
    bool spelled_by_name(u32 terminal, LexState s) const;
    std::vector<std::string> shortest_lexemes(const LexState& start, TerminalSet wanted, std::size_t most) const;
    std::string indentation(const Indent& indent) const;

    Recognizer* recognizer_;
    Opening opening_;
    u64 suffix_bytes_ = 0;  // read in this search
    bool built_ = false;
    std::vector<std::vector<Way>> ways_;
    std::vector<std::string> spelling_;  // by terminal; empty: not used for closing
    std::unordered_map<u64, u32> distances_;
    std::unordered_map<u64, Result> known_;
};

}  // namespace codefusion
