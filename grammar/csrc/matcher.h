// One request's state: the parses after the tokens accepted so far, and those before, for rollback.
#pragma once
#include "engine.h"

namespace codefusion {

class Matcher {
public:
    // Memory: 12 bytes a parse and token accepted (usually one parse), plus the history's offsets; with a suffix, up
    // to 16,000 verdicts on its rest (about 0.6 MB).
    // `top`: what the suffix asks for of the file's top, a level of StackRule::tops; then a second matcher, which starts
    // there, says which tokens leave that possible.
    Matcher(std::shared_ptr<Engine> engine, std::string prefix, std::string suffix, u32 top = 0);
    Matcher(const Matcher& other);
    ~Matcher();
    Matcher& operator=(const Matcher&) = delete;

    bool accept_token(u32 id);
    bool accept_bytes(std::string_view bytes);  // all or nothing; counts as one token for rollback
    void rollback(u32 num_tokens);
    void reset();
    // Writes ceil(width / 32) words; bit 1 = allowed.
    void fill_bitmask(std::int32_t* row);
    bool can_end();
    Closing::Result closing();
    std::optional<u32> min_tokens_to_end();  // stop token aside
    bool is_terminated() const { return terminated_; }
    u32 num_accepted() const { return static_cast<u32>(ends_.size()) - 1; }
    const std::string& degraded_reason() const { return degraded_; }
    const std::shared_ptr<Engine>& engine() const { return engine_; }
    std::vector<Thread> threads() const { return {history_.begin() + begin_of_last(), history_.end()}; }
    void add_roots(std::vector<NodeId*>& roots) {
        for (Thread& t : history_) roots.push_back(&t.node);
    }
    void add_scopes(std::vector<ScopeId*>& scopes) {
        for (Thread& t : history_) scopes.push_back(&t.indent);
    }
    void prepare();  // reads the prefix

private:
    struct FromTop {};
    Matcher(FromTop, std::shared_ptr<Engine> engine, std::string prefix, u32 top);
    bool fill_by_guard(std::int32_t* row);
    bool guard_accepts(std::string_view bytes);
    std::ptrdiff_t begin_of_last() const { return ends_.size() < 2 ? 0 : static_cast<std::ptrdiff_t>(ends_[ends_.size() - 2]); }
    void push(const std::vector<Thread>& threads);
    bool accept_locked(std::string_view bytes);
    bool can_end_locked();
    bool ends_here();
    template <class Allow>
    void try_names(std::int32_t* row, const Allow& allow);

    std::shared_ptr<Engine> engine_;
    std::string prefix_, suffix_, degraded_;
    u32 top_ = 0;                      // where this one starts
    std::unique_ptr<Matcher> guard_;   // of a suffix that asks for the top
    std::vector<Thread> history_;      // the parses after each token, one after the other
    std::vector<u32> ends_;            // where each token's parses end
    std::vector<Thread> current_, next_;
    static constexpr std::size_t kMaxSuffixEnds = 1 << 14;
    std::unordered_map<u64, bool> suffix_ends_;  // place in the suffix and parses there -> whether the rest is accepted
    u64 suffix_ends_at_ = 0;                     // collection that they belong to
    bool terminated_ = false;
};

}  // namespace codefusion
