#include "rules.h"

namespace codefusion {

void RuleTables::prepare(u32 num_terminals_all, u32 num_parser_states) {
    for (StackRule& r : rules) {
        const std::size_t n = r.num_states;
        if (n == 0 || n > 0xfff0 || r.shift.size() != n * num_terminals_all || r.lex_flags.size() != n ||
            r.settle.size() != n || std::any_of(r.tops.begin(), r.tops.end(), [n](u16 s) { return s >= n; }))
            throw GrammarError("rule '" + r.name + "': its tables do not fit its number of states");
        for (const auto& [nonterminal, table] : r.reduce) {
            if (table.size() != n * n) throw GrammarError("rule '" + r.name + "': a reduce table has the wrong size");
            for (std::size_t i = 0; i < table.size(); i++)
                if (table[i] != table[i / n * n]) {  // depends on the top's state, not only on the one below
                    if (reads_top.size() <= nonterminal) reads_top.resize(nonterminal + 1, 0);
                    reads_top[nonterminal] = 1;
                }
        }
        for (std::size_t i = 0; i + 2 < r.merged.size(); i += 3) {
            if (r.merged[i] >= num_parser_states || r.merged[i + 1] >= n || r.merged[i + 2] >= n)
                throw GrammarError("rule '" + r.name + "': its merged states do not fit the grammar");
            r.merged_ids.put(static_cast<u64>(r.merged[i]) * n + r.merged[i + 1], r.merged[i + 2]);
        }
    }
}

RuleContexts::RuleContexts(const RuleTables* tables, u32 num_terminals_all)
    : tables_(tables), num_terminals_all_(num_terminals_all) {
    intern(std::u16string(tables->rules.size(), u'\0'));
}

ContextId RuleContexts::intern(const std::u16string& states) {
    const auto [it, is_new] = ids_.emplace(states, static_cast<ContextId>(states_.size()));
    if (is_new) {
        states_.push_back(states);
        u32 flags = 0;
        for (std::size_t i = 0; i < states.size(); i++)
            flags |= tables_->rules[i].lex_flags[static_cast<u16>(states[i])];
        flags_.push_back(flags);
    }
    return it->second;
}

ContextId RuleContexts::start(u32 top) {
    std::u16string states(tables_->rules.size(), u'\0');
    for (std::size_t i = 0; i < states.size() && top != 0; i++)
        if (const auto& tops = tables_->rules[i].tops; tops.size() >= top) states[i] = static_cast<char16_t>(tops[top - 1]);
    return intern(states);
}

ContextId RuleContexts::shift(ContextId context, u32 terminal) {
    std::u16string next = states_[context];
    for (std::size_t i = 0; i < next.size(); i++) {
        const u16 to = tables_->rules[i].shift[static_cast<u16>(next[i]) * num_terminals_all_ + terminal];
        if (to == StackRule::kReject) return kNone;
        next[i] = static_cast<char16_t>(to);
    }
    return intern(next);
}

ContextId RuleContexts::reduce(ContextId below, u32 nonterminal, ContextId top) {
    std::u16string next = states_[below];
    for (std::size_t i = 0; i < next.size(); i++) {
        const StackRule& r = tables_->rules[i];
        const auto it = r.reduce.find(nonterminal);
        if (it == r.reduce.end()) {
            next[i] = static_cast<char16_t>(r.settle[static_cast<u16>(next[i])]);
            continue;
        }
        const u16 to = it->second[static_cast<u16>(next[i]) * r.num_states + static_cast<u16>(states_[top][i])];
        if (to == StackRule::kReject) return kNone;
        next[i] = static_cast<char16_t>(to);
    }
    return intern(next);
}

std::string RuleContexts::rejecting_rule(ContextId context, u32 terminal) const {
    for (std::size_t i = 0; i < tables_->rules.size(); i++) {
        const StackRule& r = tables_->rules[i];
        if (r.shift[static_cast<u16>(states_[context][i]) * num_terminals_all_ + terminal] == StackRule::kReject)
            return r.name;
    }
    return {};
}

}  // namespace codefusion
