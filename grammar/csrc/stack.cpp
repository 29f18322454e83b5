#include "stack.h"

#include <algorithm>

namespace codefusion {

StackForest::StackForest(StateTable* s) : states(s), ids_(1 << 12) {
    nodes_.push_back(Node{0, 0, kNone});
    intern_valid(Valid{});
    nodes_[0].valid = 0;
}

NodeId StackForest::push(NodeId parent, StateId state) {
    const u64 key = static_cast<u64>(parent) << 32 | state;
    const u32 known = ids_.get(key);
    if (known != kNone) return known;
    const auto id = static_cast<NodeId>(nodes_.size());
    Node n{parent, nodes_[parent].depth + 1, state};
    const RefinedState& s = (*states)[state];
    if (s.num_reductions == 0) {
        n.valid = intern_valid(valid_before_reductions(state));
        n.valid_depth = n.depth;
    }
    if (s.default_reduction < 0) {
        n.normal = id;
        n.normal_depth = n.depth;
    }
    nodes_.push_back(n);
    ids_.put(key, id);
    return id;
}

NodeId StackForest::reduce(NodeId node, u32 reduction) {
    if (nodes_[node].reduced_by == reduction) {
        const NodeId to = nodes_[node].reduced_to;
        if (to != 0) touch(nodes_[to].depth - 1);
        else touch(0);
        return to;
    }
    const Reduction& r = states->table->reductions[reduction];
    NodeId below = node;
    for (u32 k = r.child_count; k > 0 && below != kBottom; k--) below = nodes_[below].parent;
    touch(nodes_[below].depth);
    NodeId to = 0;
    if (below != kBottom) {
        const bool ends_extra = state(node).ends_extra;
        const StateId target = states->go_to(nodes_[below].state, r.nonterminal, nodes_[node].state);
        if (target != kNone)
            to = ends_extra && (*states)[target].lr == state(below).lr ? below : push(below, target);
    }
    nodes_[node].reduced_by = reduction;
    nodes_[node].reduced_to = to;
    return to;
}

void StackForest::step(NodeId node, u32 terminal, std::vector<NodeId>& out) {
    const u32 base = states->base_terminal(terminal);
    const std::size_t first = out.size();
    const auto add = [&](NodeId n) {
        // A non-terminal extra ends without a lookahead.
        for (int i = 0; i < 16 && n != 0 && state(n).ends_extra; i++) {
            const Cell& c = states->table->cell(state(n).lr, 0);
            if (c.num_reductions == 0) break;
            n = reduce(n, states->table->cell_reductions[c.first_reduction]);
        }
        if (n != 0 && std::find(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), n) == out.end()) out.push_back(n);
    };
    const auto shift = [&](NodeId n, const Cell& c) {
        if (c.is_extra) add(n);
        else if (c.shift != kNoSymbol) {
            const StateId to = states->shift(nodes_[n].state, terminal);
            if (to != kNone) add(push(n, to));
        }
    };
    for (;;) {  // the usual case: one action a state
        touch(nodes_[node].depth);
        const Cell& c = states->table->cell(state(node).lr, base);
        if (c.num_reductions == 0) return shift(node, c);
        if (c.num_reductions > 1 || c.shift != kNoSymbol || c.is_extra) break;
        node = reduce(node, states->table->cell_reductions[c.first_reduction]);
        if (node == 0) return;
    }
    std::vector<NodeId> work{node};
    for (std::size_t i = 0; i < work.size() && i < 4096; i++) {
        const NodeId n = work[i];
        touch(nodes_[n].depth);
        const Cell& c = states->table->cell(state(n).lr, base);
        for (u32 k = 0; k < c.num_reductions; k++) {
            const NodeId to = reduce(n, states->table->cell_reductions[c.first_reduction + k]);
            if (to != 0 && std::find(work.begin(), work.end(), to) == work.end()) work.push_back(to);
        }
        shift(n, c);
    }
}

bool StackForest::accepts_end(NodeId node) {
    std::vector<NodeId> work{node};
    for (std::size_t i = 0; i < work.size() && i < 4096; i++) {
        const Cell& c = states->table->cell(state(work[i]).lr, 0);
        if (c.accepts) return true;
        for (u32 k = 0; k < c.num_reductions; k++) {
            const NodeId to = reduce(work[i], states->table->cell_reductions[c.first_reduction + k]);
            if (to != 0 && std::find(work.begin(), work.end(), to) == work.end()) work.push_back(to);
        }
    }
    return false;
}

u32 StackForest::intern_valid(const Valid& v) {
    return valid_ids_.intern(hash_combine(v.terminals.hash(), v.keywords.hash()), [&](u32 id) { return valid_[id] == v; }, [&] {
        valid_.push_back(v);
        return static_cast<u32>(valid_.size() - 1);
    });
}

StackForest::Valid StackForest::valid_before_reductions(StateId state) const {
    const RefinedState& s = (*states)[state];
    Valid v{s.shifts, states->mode(s.mode).reserved};
    v.keywords.unite(s.grammar_shifts);
    v.keywords = v.keywords & states->keywords;
    return v;
}

// Per reduction, what its lookaheads allow behind it. tree-sitter takes a word for a keyword when the state it is read
// in has any action for it; only where some reductions lead to a state that has none is it the plain word after all. So
// a keyword that a rule refuses stays one: `elif` never becomes a name because no `if` stands before it.
//
// An explicit work stack: a chain of 100,000 unary minus signs must not overflow the machine's.
u32 StackForest::valid_id(NodeId node) {
    if (nodes_[node].valid != kNone) {
        touch(nodes_[node].valid_depth);
        return nodes_[node].valid;
    }
    struct Frame {
        NodeId node;
        u32 next, end, outer;
        Valid valid;
    };
    std::vector<Frame> frames;
    const auto enter = [&](NodeId n) {
        const RefinedState& s = state(n);
        frames.push_back({n, s.first_reduction, s.first_reduction + s.num_reductions, lowest_read,
                          valid_before_reductions(nodes_[n].state)});
        lowest_read = nodes_[n].depth;
        nodes_[n].valid = 0;  // cuts cycles of empty reductions
    };
    enter(node);
    while (!frames.empty()) {
        Frame& f = frames.back();
        if (f.next < f.end) {
            const StateReduction& r = states->reduction(f.next);
            const NodeId to = reduce(f.node, r.reduction);
            if (to != 0 && nodes_[to].valid == kNone) {
                enter(to);  // f is looked at again when this is known
                continue;
            }
            if (to == 0) {
                f.valid.keywords.unite(r.lookaheads & states->keywords);
            } else {
                touch(nodes_[to].valid_depth);
                const Valid& behind = valid_[nodes_[to].valid];
                f.valid.terminals.unite(behind.terminals & r.lookaheads);
                f.valid.keywords.unite(behind.keywords & r.lookaheads);
            }
            f.next++;
            continue;
        }
        if (states->is_in_line(state(f.node).mode) && !f.valid.terminals.meets(states->line_ends))
            f.valid.terminals.subtract(states->comments);
        nodes_[f.node].valid = intern_valid(f.valid);
        nodes_[f.node].valid_depth = lowest_read;
        touch(f.outer);
        frames.pop_back();
    }
    return nodes_[node].valid;
}

NodeId StackForest::normal(NodeId node) {
    if (nodes_[node].normal != 0) {
        touch(nodes_[node].normal_depth);
        return nodes_[node].normal;
    }
    const u32 outer = lowest_read;
    lowest_read = nodes_[node].depth;
    NodeId to = node;
    for (;;) {
        const int reduction = state(to).default_reduction;
        if (reduction < 0) break;
        const u32 before = valid_id(to);
        const NodeId next = reduce(to, static_cast<u32>(reduction));
        if (next == 0 || valid_id(next) != before) break;
        to = next;
    }
    nodes_[node].normal = to;
    nodes_[node].normal_depth = lowest_read;
    touch(outer);
    return to;
}

void StackForest::compact(const std::vector<NodeId*>& roots) {
    std::vector<u8> keep(nodes_.size(), 0);
    keep[kBottom] = 1;
    for (NodeId* r : roots)
        for (NodeId n = *r; !keep[n]; n = nodes_[n].parent) keep[n] = 1;
    std::vector<NodeId> renamed(nodes_.size(), 0);
    Array<Node> old;
    old.swap(nodes_);
    ids_.clear();
    nodes_.push_back(Node{0, 0, kNone});
    nodes_[0].valid = 0;
    // A parent is always older than its children, so one pass in order is enough.
    for (NodeId n = 1; n < old.size(); n++)
        if (keep[n]) renamed[n] = push(renamed[old[n].parent], old[n].state);
    for (NodeId* r : roots) *r = renamed[*r];
}

}  // namespace codefusion
