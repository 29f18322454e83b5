#include "names.h"

namespace codefusion {

ScopeId Names::cell(const Cell& c) {
    const auto equals = [&](u32 id) { return cells_[id].outer == c.outer && cells_[id].depth == c.depth && cells_[id].text == c.text; };
    return cell_ids_.intern(hash_combine(static_cast<u64>(c.outer) << 32 | c.depth, c.text), equals, [&] {
        cells_.push_back(c);
        return static_cast<ScopeId>(cells_.size() - 1);
    });
}

u32 Names::intern(std::string_view text) {
    if (text.size() > kMaxLength) return 0;
    const auto [it, is_new] = text_ids_.emplace(text, static_cast<u32>(texts_.size()));
    if (is_new) texts_.emplace_back(text);
    return it->second;
}

ScopeId Names::open(ScopeId closed, std::string_view text, bool is_naming) {
    bool is_beginning = is_naming;
    each(closed, [&](const std::string& name) { is_beginning |= name.compare(0, text.size(), text) == 0; });
    const u32 id = is_beginning ? intern(text) : 0;
    return id == 0 ? closed : cell({closed, kOpen, id});
}

ScopeId Names::named(ScopeId closed, u32 depth, std::string_view text) { return cell({closed, depth, intern(text)}); }

ScopeId Names::at_depth(ScopeId closed, u32 depth) const {
    while (closed != kNoScope && cells_[closed].depth >= depth) closed = cells_[closed].outer;
    return closed;
}

bool Names::contains(ScopeId closed, std::string_view text) const {
    bool found = false;
    each(closed, [&](const std::string& name) { found |= name == text; });
    return found;
}

void Names::compact(const std::vector<ScopeId*>& roots) {
    std::vector<u8> keep(cells_.size(), 0);
    keep[kNoScope] = 1;
    for (const ScopeId* r : roots)
        for (ScopeId s = *r; !keep[s]; s = cells_[s].outer) keep[s] = 1;
    std::vector<Cell> old(1);
    old.swap(cells_);
    std::vector<std::string> old_texts(1);
    old_texts.swap(texts_);
    cell_ids_.clear();
    text_ids_.clear();
    std::vector<ScopeId> renamed(old.size(), kNoScope);
    // An outer scope is always older, so one pass in order is enough.
    for (ScopeId s = 1; s < old.size(); s++)
        if (keep[s]) renamed[s] = cell({renamed[old[s].outer], old[s].depth, old[s].text == 0 ? 0 : intern(old_texts[old[s].text])});
    for (ScopeId* r : roots) *r = renamed[*r];
}

}  // namespace codefusion
