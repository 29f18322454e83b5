#include "windows.h"

#include <algorithm>

namespace codefusion {

void WindowTree::clear(u32 num_trees) {
    table_.clear();
    Array<Leaf>().swap(leaves_);
    num_trees_ = num_trees;
}

u32 WindowTree::find(u32 tree, NodeId node) {
    const StackForest& forest = *forest_;
    for (;;) {
        const u32 v = table_.get(static_cast<u64>(tree) << 32 | forest[node].state);
        if (v == kNone) return kNone;
        if ((v & kLeaf) != 0) {
            Leaf& leaf = leaves_[v & ~kLeaf];
            const u32 levels = forest[leaf.node].depth - leaf.lowest;
            const u32 depth = forest[node].depth;
            NodeId a = node, b = leaf.node;
            for (u32 i = levels; i-- > 0 && a != b;) {
                a = forest[a].parent;
                b = forest[b].parent;
                if (forest[a].state != forest[b].state) return kNone;
            }
            forest_->touch(depth - std::min(levels, depth));
            leaf.used = 1;
            return leaf.result;
        }
        tree = v;
        if (node == kBottom) return kNone;
        node = forest[node].parent;
    }
}

void WindowTree::insert(u32 tree, NodeId node, u32 lowest, u32 result) {
    const StackForest& forest = *forest_;
    for (;;) {
        const u64 key = static_cast<u64>(tree) << 32 | forest[node].state;
        u32 v = table_.get(key);
        const bool is_leaf = v != kNone && (v & kLeaf) != 0;
        if (v == kNone || (is_leaf && (forest[node].depth <= lowest ||
                                       forest[leaves_[v & ~kLeaf].node].depth <= leaves_[v & ~kLeaf].lowest))) {
            table_.put(key, kLeaf | static_cast<u32>(leaves_.size()));
            leaves_.push_back({result, node, lowest, 1});
            return;
        }
        if (is_leaf) {  // two windows part ways below here
            const u32 subtree = num_trees_++;
            table_.put(key, subtree);
            Leaf& other = leaves_[v & ~kLeaf];
            other.node = forest[other.node].parent;
            table_.put(static_cast<u64>(subtree) << 32 | forest[other.node].state, v);
            v = subtree;
        }
        if (node == kBottom) return;
        tree = v;
        node = forest[node].parent;
    }
}

}  // namespace codefusion
