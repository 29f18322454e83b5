#include "merging.h"

#include <algorithm>

namespace codefusion {
namespace {

constexpr u32 kRejected = 0xffffffffu;

struct WordsHash {
    std::size_t operator()(const std::vector<u32>& words) const {
        u64 h = words.size();
        for (u32 w : words) h = mix64(h ^ w);
        return h;
    }
};

class Merger {
public:
    Merger(const ParseTable& table, const RuleTables& rules, const StackRule& rule)
        : table_(table), rule_(rule), n_(rule.num_states),
          num_terminals_all_(table.num_terminals + static_cast<u32>(rules.pseudo_base.size())), named_(rules.named) {
        for (u32 i = 0; i < rules.pseudo_base.size(); i++)
            if (rules.pseudo_base[i] < table.num_terminals) variants_[rules.pseudo_base[i]].push_back(table.num_terminals + i);
        for (const auto& [nonterminal, matrix] : rule.reduce) columns_.emplace(nonterminal, columns_of(matrix));
        find_edges();
        find_reachable();
    }

    std::vector<u16> merge() {
        class_.resize(static_cast<std::size_t>(table_.num_states) * n_);
        std::vector<u8> queued(table_.num_states, 0);
        std::vector<u32> work;
        for (u32 q = 0; q < table_.num_states; q++) {
            for (u16 s : states_[q]) class_[pair(q, s)] = pair(q, states_[q][0]);
            if (states_[q].size() > 1) {
                queued[q] = 1;
                work.push_back(q);
            }
        }
        while (!work.empty()) {
            const u32 q = work.back();
            work.pop_back();
            queued[q] = 0;
            if (!refine(q)) continue;
            for (u32 p : edges_[q].from)
                if (!queued[p] && states_[p].size() > 1) {
                    queued[p] = 1;
                    work.push_back(p);
                }
        }
        std::vector<u16> merged;
        for (u32 q = 0; q < table_.num_states; q++)
            for (u16 s : states_[q])
                if (const u32 c = class_[pair(q, s)]; c != pair(q, s)) {
                    merged.push_back(static_cast<u16>(q));
                    merged.push_back(s);
                    merged.push_back(static_cast<u16>(c % n_));
                }
        return merged;
    }

private:
    // What a parser state does, without what depends on the rule.
    struct Edges {
        std::vector<std::pair<u16, u16>> shifts;  // terminal (or its variant), target; 0: an extra, the stack stays
        std::vector<std::pair<u16, u16>> gotos;   // nonterminal, target
        std::vector<u16> reductions;              // nonterminals that read the state on top
        std::vector<u16> from;                    // parser states that lead here
    };
    // Of a reduce table: states on top with equal columns are one.
    struct Columns {
        const std::vector<u16>* matrix;
        std::vector<u16> id, representatives;  // by state; the first state of each id
    };

    u32 pair(u32 q, u32 s) const { return q * n_ + s; }

    Columns columns_of(const std::vector<u16>& matrix) const {
        Columns c{&matrix, std::vector<u16>(n_), {}};
        std::unordered_map<std::vector<u32>, u16, WordsHash> known;
        std::vector<u32> column(n_);
        for (u32 top = 0; top < n_; top++) {
            for (u32 below = 0; below < n_; below++) column[below] = matrix[below * n_ + top];
            const auto [it, is_new] = known.emplace(column, static_cast<u16>(c.representatives.size()));
            if (is_new) c.representatives.push_back(static_cast<u16>(top));
            c.id[top] = it->second;
        }
        return c;
    }

    void find_edges() {
        edges_.resize(table_.num_states);
        for (u32 q = 0; q < table_.num_states; q++) {
            Edges& e = edges_[q];
            for (u32 t = 0; t < table_.num_terminals; t++) {
                const Cell& c = table_.cell(q, t);
                for (u32 i = 0; i < c.num_reductions; i++) {
                    const u16 a = table_.reductions[table_.cell_reductions[c.first_reduction + i]].nonterminal;
                    const auto read = columns_.find(a);
                    if (read != columns_.end() && read->second.representatives.size() > 1) e.reductions.push_back(a);
                }
                if (c.shift == kNoSymbol && !c.is_extra) continue;
                const u16 to = c.is_extra ? 0 : c.shift;
                const auto variants = variants_.find(static_cast<u16>(t));
                if (variants == variants_.end() || t == named_) e.shifts.emplace_back(t, to);
                if (variants != variants_.end())
                    for (u32 v : variants->second) e.shifts.emplace_back(v, to);
            }
            std::sort(e.reductions.begin(), e.reductions.end());
            e.reductions.erase(std::unique(e.reductions.begin(), e.reductions.end()), e.reductions.end());
            for (u32 a = table_.num_terminals; a < table_.num_symbols; a++)
                if (const u16 to = table_.go_to(q, a)) e.gotos.emplace_back(a, to);
        }
        for (u32 q = 0; q < table_.num_states; q++) {
            for (const auto& [t, to] : edges_[q].shifts)
                if (to != 0) edges_[to].from.push_back(static_cast<u16>(q));
            for (const auto& [a, to] : edges_[q].gotos) edges_[to].from.push_back(static_cast<u16>(q));
        }
        for (Edges& e : edges_) {
            std::sort(e.from.begin(), e.from.end());
            e.from.erase(std::unique(e.from.begin(), e.from.end()), e.from.end());
        }
    }

    // Calls visit(parser state, rule state) for everything one step leads to, in an order that q alone decides.
    template <class Visit>
    void successors(u32 q, u16 s, const Visit& visit) const {
        for (const auto& [t, to] : edges_[q].shifts) visit(to, rule_.shift[s * num_terminals_all_ + t]);
        for (const auto& [a, to] : edges_[q].gotos) {
            const auto read = columns_.find(a);
            if (read == columns_.end()) {
                visit(to, rule_.settle[s]);
                continue;
            }
            for (u16 top : read->second.representatives) visit(to, (*read->second.matrix)[s * n_ + top]);
        }
    }

    // Pairs that some text may reach; a few more, since gotos are followed without their derivations.
    void find_reachable() {
        states_.resize(table_.num_states);
        std::vector<u8> seen(static_cast<std::size_t>(table_.num_states) * n_, 0);
        std::vector<u32> work;
        const auto add = [&](u32 q, u16 s) {
            if (q == 0 || s == StackRule::kReject || seen[pair(q, s)]) return;
            seen[pair(q, s)] = 1;
            work.push_back(pair(q, s));
            states_[q].push_back(s);
        };
        add(1, 0);  // tree-sitter starts in LR state 1
        for (u16 s : rule_.tops) add(1, s);
        while (!work.empty()) {
            const u32 p = work.back();
            work.pop_back();
            successors(p / n_, static_cast<u16>(p % n_), add);
        }
        for (auto& s : states_) std::sort(s.begin(), s.end());
    }

    // Splits the classes of a parser state by what its states do now; says whether there are more than before.
    bool refine(u32 q) {
        std::unordered_map<std::vector<u32>, u32, WordsHash> groups;
        std::vector<u32> signature;
        std::vector<u32> to(states_[q].size());
        for (std::size_t i = 0; i < states_[q].size(); i++) {
            const u16 s = states_[q][i];
            signature.assign({class_[pair(q, s)], rule_.lex_flags[s]});
            for (u16 a : edges_[q].reductions) signature.push_back(columns_.find(a)->second.id[s]);
            successors(q, s, [&](u32 next, u16 after) {
                // An extra changes no stack: only whether it is refused counts.
                signature.push_back(after == StackRule::kReject ? kRejected : next == 0 ? 0 : class_[pair(next, after)]);
            });
            to[i] = groups.emplace(signature, pair(q, s)).first->second;
        }
        bool changed = false;
        for (std::size_t i = 0; i < to.size(); i++) {
            u32& c = class_[pair(q, states_[q][i])];
            changed |= c != to[i];
            c = to[i];
        }
        return changed;
    }

    const ParseTable& table_;
    const StackRule& rule_;
    u32 n_, num_terminals_all_, named_;
    std::unordered_map<u16, std::vector<u32>> variants_;
    std::unordered_map<u32, Columns> columns_;
    std::vector<Edges> edges_;
    std::vector<std::vector<u16>> states_;  // reachable rule states, by parser state
    std::vector<u32> class_;                // of a pair: the pair of its representative
};

}  // namespace

std::vector<u16> merge_states(const ParseTable& table, const RuleTables& rules, const StackRule& rule) {
    return Merger(table, rules, rule).merge();
}

}  // namespace codefusion
