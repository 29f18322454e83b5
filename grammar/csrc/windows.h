// Results by the part of a parser stack that they were computed from.
//
//     tree 7   state 12 ── state 40 ── branch ─┬─ state 3 ── leaf: result a
//              (top)                           └─ state 9 ── leaf: result b, and the stack node its tail is compared with
// A trie over stack states, from the top down to the lowest that was read; tails without a branch are stack nodes.
#pragma once
#include "stack.h"

namespace codefusion {

class WindowTree {
public:
    explicit WindowTree(StackForest* forest) : forest_(forest) {}

    u32 new_tree() { return num_trees_++; }
    // The result for the stack, whose states it reads; kNone: unknown.
    u32 find(u32 tree, NodeId node);
    // `lowest`: depth of the lowest stack node that the result depends on.
    void insert(u32 tree, NodeId node, u32 lowest, u32 result);
    void prefetch(u32 tree, StateId state) const { table_.prefetch(static_cast<u64>(tree) << 32 | state); }
    // Forgets what was not found since the last call; the others' results become rename(result). Appends the stack nodes
    // that they refer to, so that they can be renumbered.
    template <class Rename>
    void drop_unused(const Rename& rename, std::vector<NodeId*>& nodes);
    void clear(u32 num_trees);  // the first `num_trees` trees stay, empty
    std::size_t bytes() const { return table_.bytes() + leaves_.size() * sizeof(Leaf); }

private:
    static constexpr u32 kLeaf = 0x80000000u;  // marks a leaf among the table's values; others are trees
    struct Leaf {
        u32 result;
        NodeId node;
        u32 lowest : 31, used : 1;  // used: found or made since the last drop_unused
    };

    StackForest* forest_;
    Table table_;  // tree << 32 | state
    Array<Leaf> leaves_;
    u32 num_trees_ = 0;
};

template <class Rename>
void WindowTree::drop_unused(const Rename& rename, std::vector<NodeId*>& nodes) {
    std::vector<u32> moved(leaves_.size(), kNone);
    Array<Leaf> kept;
    for (u32 i = 0; i < leaves_.size(); i++) {
        if (!leaves_[i].used) continue;
        moved[i] = static_cast<u32>(kept.size());
        kept.push_back({rename(leaves_[i].result), leaves_[i].node, leaves_[i].lowest, 0});
    }
    table_.rebuild([&](u64&, u32& value) {
        if ((value & kLeaf) == 0) return true;
        if (moved[value & ~kLeaf] == kNone) return false;
        value = kLeaf | moved[value & ~kLeaf];
        return true;
    });
    leaves_.swap(kept);
    for (Leaf& leaf : leaves_) nodes.push_back(&leaf.node);
}

}  // namespace codefusion
