// Persistent parser stacks: every stack is a node of one shared tree, equal stacks are the same node.
//
//     bottom ── s0 ── s1 ── s4          forking is free, popping is following `parent`, and what depends on
//                  └─ s2 ── s3          a stack alone (its valid terminals) is stored with its node
#pragma once
#include "states.h"

namespace codefusion {

using NodeId = u32;
constexpr NodeId kBottom = 0;

class StackForest {
public:
    explicit StackForest(StateTable* states);

    struct Node {
        NodeId parent;
        u32 depth;
        StateId state;
        u32 valid = kNone;        // id of its Valid; `valid_depth`: lowest node that was read for it
        u32 valid_depth = 0;
        NodeId normal = 0;        // after the reductions that happen whatever follows; 0: not computed
        u32 normal_depth = 0;
        u32 reduced_by = kNone;   // the last reduction asked for, and its result
        NodeId reduced_to = 0;
    };

    NodeId push(NodeId parent, StateId state);
    NodeId start(u32 top = 0) { return push(kBottom, states->start(top)); }
    // Pops what the reduction covers and pushes its nonterminal; 0 when a rule or the table refuses.
    NodeId reduce(NodeId node, u32 reduction);
    // Every stack after shifting the terminal, reductions before it included. Appends to out.
    void step(NodeId node, u32 terminal, std::vector<NodeId>& out);
    bool accepts_end(NodeId node);
    // What the lexemes that may come next depend on.
    struct Valid {
        TerminalSet terminals;  // can be shifted, after any reductions
        TerminalSet keywords;   // a word that is one of these is that keyword, valid or not
        bool operator==(const Valid& o) const { return terminals == o.terminals && keywords == o.keywords; }
    };
    u32 valid_id(NodeId node);
    const TerminalSet& valid(NodeId node) { return valid_[valid_id(node)].terminals; }
    const TerminalSet& valid_set(u32 id) const { return valid_[id].terminals; }
    const Valid& valid_of(u32 id) const { return valid_[id]; }
    u32 intern_valid(const Valid& v);
    const std::vector<Valid>& valid_sets() const { return valid_; }
    Valid valid_before_reductions(StateId state) const;  // of a state alone
    NodeId normal(NodeId node);

    const Node& operator[](NodeId n) const { return nodes_[n]; }
    const RefinedState& state(NodeId n) const { return (*states)[nodes_[n].state]; }
    const Mode& mode(NodeId n) const { return states->mode(state(n).mode); }
    // The terminal a lexeme stands for here: its keyword where the grammar knows or reserves it, else the word token.
    u32 effective(NodeId node, u32 terminal, u32 keyword) {
        return keyword != kNoSymbol && valid_[valid_id(node)].keywords.has(keyword) ? keyword : terminal;
    }
    std::size_t size() const { return nodes_.size(); }
    std::size_t num_valid_sets() const { return valid_.size(); }
    std::size_t bytes() const { return nodes_.size() * sizeof(Node) + ids_.bytes(); }
    void prefetch(NodeId node) const { __builtin_prefetch(&nodes_[node]); }
    void prefetch_push(NodeId parent, StateId state) const { ids_.prefetch(static_cast<u64>(parent) << 32 | state); }

    // How deep a computation looked: set lowest_read, compute, read it back. A result depends on nothing below.
    u32 lowest_read = 0;
    void touch(u32 depth) {
        if (depth < lowest_read) lowest_read = depth;
    }

    // Keeps only the stacks in `roots` (rewritten to their new ids) and forgets the rest.
    void compact(const std::vector<NodeId*>& roots);

    StateTable* states;

private:
    Array<Node> nodes_;
    Table ids_;
    std::vector<Valid> valid_;
    Table valid_ids_;
    std::vector<NodeId> work_;
};

}  // namespace codefusion
