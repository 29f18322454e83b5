// Names that enclose a place in the text: what a rule compares a lexeme with (a constructor is named as its class).
//
//     class A { void f() { class B {      scope   (B, depth 9) ──► (A, depth 3) ──► none
//
// A scope belongs to one parse and is persistent like the parser's stack. Each name knows how deep on that stack its
// lexeme stands; it has gone when the stack is no deeper. So stacks themselves hold no names, and what is stored about
// one class serves every other.
#pragma once
#include <string_view>
#include <unordered_map>

#include "rules.h"

namespace codefusion {

using ScopeId = u32;

class Names {
public:
    static constexpr ScopeId kNoScope = 0;
    static constexpr std::size_t kMaxLength = 255;  // bytes; a longer name equals nothing

    explicit Names(const RuleTables* rules) : rules_(rules) {
        texts_.emplace_back();
        cells_.push_back({});
    }
    bool is_used() const { return rules_->own != kNoSymbol; }

    // The scope without the lexeme that is being read, and what is known of that lexeme's text.
    ScopeId closed(ScopeId s) const { return cells_[s].depth == kOpen ? cells_[s].outer : s; }
    bool is_open(ScopeId s) const { return cells_[s].depth == kOpen; }
    const std::string& open_text(ScopeId s) const { return texts_[cells_[s].text]; }
    // The scope while a lexeme that begins with `text` is being read; `is_naming`: it will give a name. Text that is
    // not the beginning of a name around it is not kept.
    ScopeId open(ScopeId closed, std::string_view text, bool is_naming);

    // The scope inside a lexeme at `depth` that gives a name.
    ScopeId named(ScopeId closed, u32 depth, std::string_view text);
    // The scope of a stack that is `depth` deep: names on top of it have gone.
    ScopeId at_depth(ScopeId closed, u32 depth) const;
    bool contains(ScopeId closed, std::string_view text) const;
    // Whether the innermost name is this one.
    bool is_own(ScopeId closed, std::string_view text) const {
        return closed != kNoScope && cells_[closed].text != 0 && texts_[cells_[closed].text] == text;
    }
    template <class Visit>
    void each(ScopeId closed, const Visit& visit) const {
        for (ScopeId s = closed; s != kNoScope; s = cells_[s].outer)
            if (cells_[s].text != 0) visit(texts_[cells_[s].text]);
    }
    std::size_t size() const { return cells_.size(); }
    // Keeps only the scopes in `roots` (rewritten to their new ids).
    void compact(const std::vector<ScopeId*>& roots);

private:
    static constexpr u32 kOpen = 0xffffffffu;
    struct Cell {
        ScopeId outer = kNoScope;
        u32 depth = 0, text = 0;  // kOpen: a lexeme that is being read; text 0: none that is known
    };
    ScopeId cell(const Cell& c);
    u32 intern(std::string_view text);

    const RuleTables* rules_;
    std::vector<Cell> cells_;
    std::vector<std::string> texts_;
    Table cell_ids_;
    std::unordered_map<std::string, u32> text_ids_;
};

}  // namespace codefusion
