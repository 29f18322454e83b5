#include "matcher.h"

#include <cstring>

namespace codefusion {

Matcher::Matcher(std::shared_ptr<Engine> engine, std::string prefix, std::string suffix, u32 top)
    : engine_(std::move(engine)), prefix_(std::move(prefix)), suffix_(std::move(suffix)) {
    if (top != 0) guard_.reset(new Matcher(FromTop{}, engine_, prefix_, top));
    // A prefix that is past the top reaches such a suffix whatever follows: not at all.
    if (guard_ && !guard_->degraded_.empty()) guard_.reset();
    const std::lock_guard<std::mutex> guard(engine_->lock);
    prepare();
    engine_->matchers.insert(this);
}

Matcher::Matcher(FromTop, std::shared_ptr<Engine> engine, std::string prefix, u32 top)
    : engine_(std::move(engine)), prefix_(std::move(prefix)), top_(top) {
    const std::lock_guard<std::mutex> guard(engine_->lock);
    prepare();
    engine_->matchers.insert(this);
}

Matcher::Matcher(const Matcher& o)
    : engine_(o.engine_), prefix_(o.prefix_), suffix_(o.suffix_), degraded_(o.degraded_), top_(o.top_),
      guard_(o.guard_ ? std::make_unique<Matcher>(*o.guard_) : nullptr), terminated_(o.terminated_) {
    const std::lock_guard<std::mutex> guard(engine_->lock);
    history_ = o.history_;
    ends_ = o.ends_;
    engine_->matchers.insert(this);
}

Matcher::~Matcher() {
    const std::lock_guard<std::mutex> guard(engine_->lock);
    engine_->matchers.erase(this);
}

void Matcher::prepare() {
    terminated_ = false;
    degraded_.clear();
    Recognizer& r = engine_->recognizer;
    current_ = r.start(top_);
    const std::string_view text = without_mark(prefix_);
    for (std::size_t at = 0; at < text.size() && degraded_.empty(); at += 64) {
        r.advance(current_, text.substr(at, 64), next_);
        r.keep_viable(next_);
        if (next_.empty()) degraded_ = "the prefix is not the beginning of a valid text (near byte " + std::to_string(at) + ")";
        else current_.swap(next_);
    }
    history_ = current_;
    ends_.assign(1, static_cast<u32>(history_.size()));
}

void Matcher::push(const std::vector<Thread>& threads) {
    history_.insert(history_.end(), threads.begin(), threads.end());
    ends_.push_back(static_cast<u32>(history_.size()));
}

bool Matcher::accept_locked(std::string_view bytes) {
    engine_->collect_if_large();
    Recognizer& r = engine_->recognizer;
    current_.assign(history_.begin() + begin_of_last(), history_.end());
    const u64 dropped = r.dropped_threads;
    r.advance(current_, bytes, next_);
    r.keep_viable(next_);
    if (next_.empty()) return false;
    if (r.dropped_threads != dropped && degraded_.empty()) {
        // Parses were given up: what is kept is exact for them, but valid text may now be refused.
        degraded_ = "the text is too ambiguous: more than " + std::to_string(Recognizer::kMaxThreads) + " parses";
        return false;
    }
    push(next_);
    return true;
}

// Takes the bytes in the guard; one that can follow no longer is given up, as the mask may.
bool Matcher::guard_accepts(std::string_view bytes) {
    if (!guard_ || guard_->accept_bytes(bytes)) return true;
    if (guard_->degraded_.empty()) return false;
    guard_.reset();
    return true;
}

bool Matcher::accept_bytes(std::string_view bytes) {
    if (terminated_ || !guard_accepts(bytes)) return false;
    if (!degraded_.empty()) {
        push({});
        return true;
    }
    bool is_accepted;
    {
        const std::lock_guard<std::mutex> guard(engine_->lock);
        is_accepted = accept_locked(bytes);
    }
    if (!is_accepted && guard_) guard_->rollback(1);
    return is_accepted;
}

bool Matcher::accept_token(u32 id) {
    if (terminated_) return false;
    if (engine_->vocabulary->is_stop(id)) {
        if (degraded_.empty() && !can_end()) return false;
        push(std::vector<Thread>(history_.begin() + begin_of_last(), history_.end()));
        if (guard_) guard_->push(guard_->threads());
        terminated_ = true;
        return true;
    }
    const std::string* bytes = engine_->vocabulary->bytes(id);
    return bytes != nullptr && accept_bytes(*bytes);
}

void Matcher::rollback(u32 num_tokens) {
    if (num_tokens > num_accepted())
        throw GrammarError("cannot roll back " + std::to_string(num_tokens) + " tokens; " + std::to_string(num_accepted()) +
                           " were accepted");
    if (num_tokens == 0) return;
    if (guard_) guard_->rollback(num_tokens);
    ends_.resize(ends_.size() - num_tokens);
    history_.resize(ends_.back());
    terminated_ = false;
}

void Matcher::reset() {
    if (guard_) guard_->reset();
    const std::lock_guard<std::mutex> guard(engine_->lock);
    engine_->collect_if_large();
    if (degraded_.empty()) {  // the parses after the prefix are the history's first entry
        ends_.resize(1);
        history_.resize(ends_[0]);
        terminated_ = false;
    } else {
        prepare();
    }
}

bool Matcher::can_end_locked() {
    if (!degraded_.empty()) return true;
    current_.assign(history_.begin() + begin_of_last(), history_.end());
    return ends_here();
}

// Whether the text may end before the suffix. Most places are ruled out by the suffix's first bytes; where it is read
// on, its parse soon is one that was met before, behind a statement that differs.
bool Matcher::ends_here() {
    Recognizer& r = engine_->recognizer;
    if (suffix_.empty()) return r.can_end(current_);
    if (suffix_ends_.size() > kMaxSuffixEnds || suffix_ends_at_ != engine_->collections) suffix_ends_.clear();
    suffix_ends_at_ = engine_->collections;  // a collection renumbers stacks
    std::vector<Thread> now = current_;
    std::vector<u64> seen;
    std::optional<bool> ends;
    for (std::size_t at = 0, step = 4; at < suffix_.size() && !ends; at += step, step = 64) {
        u64 key = at;
        for (const Thread& t : now) key = hash_combine(hash_combine(key, t.node), static_cast<u64>(t.config) << 32 | t.indent);
        const auto known = suffix_ends_.find(key);
        if (known != suffix_ends_.end()) {
            ends = known->second;
            break;
        }
        seen.push_back(key);
        r.advance(now, std::string_view(suffix_).substr(at, step), next_);
        r.keep_viable(next_);
        if (next_.empty()) ends = false;
        now.swap(next_);
    }
    if (!ends) ends = r.can_end(now);
    for (const u64 key : seen) suffix_ends_.emplace(key, *ends);
    return *ends;
}

Closing::Result Matcher::closing() {
    if (!degraded_.empty() || terminated_) return {true, {}};
    const std::lock_guard<std::mutex> guard(engine_->lock);
    engine_->collect_if_large();
    current_.assign(history_.begin() + begin_of_last(), history_.end());
    return engine_->closing.close(current_, suffix_);
}

std::optional<u32> Matcher::min_tokens_to_end() {
    const Closing::Result r = closing();
    if (!r.found) return std::nullopt;
    const auto ids = engine_->vocabulary->tokenize(r.bytes);
    return ids ? std::optional<u32>(static_cast<u32>(ids->size())) : std::nullopt;
}

bool Matcher::can_end() {
    const std::lock_guard<std::mutex> guard(engine_->lock);
    return can_end_locked();
}

// Tokens that complete the name of a class: few, and known to the recogniser only.
template <class Allow>
void Matcher::try_names(std::int32_t* row, const Allow& allow) {
    Recognizer& r = engine_->recognizer;
    for (const Thread& t : current_)
        for (const u32 id : engine_->name_tokens.candidates(t)) {
            if ((static_cast<u32>(row[id >> 5]) >> (id & 31) & 1) != 0) continue;
            r.advance({t}, *engine_->vocabulary->bytes(id), next_);
            r.keep_viable(next_);
            if (!next_.empty()) allow(id);
        }
}

bool Matcher::fill_by_guard(std::int32_t* row) {
    if (!guard_ || terminated_ || !degraded_.empty()) return false;
    guard_->fill_bitmask(row);
    const bool ends = can_end();
    for (u32 id : engine_->vocabulary->stop_ids) {
        const u32 bit = 1u << (id & 31), others = static_cast<u32>(row[id >> 5]) & ~bit;
        row[id >> 5] = static_cast<std::int32_t>(ends ? others | bit : others);
    }
    return true;
}

void Matcher::fill_bitmask(std::int32_t* row) {
    if (fill_by_guard(row)) return;
    const Vocabulary& v = *engine_->vocabulary;
    const std::size_t num_bytes = (v.width + 31) / 32 * 4;
    const std::lock_guard<std::mutex> guard(engine_->lock);
    const auto allow = [row](u32 id) { row[id >> 5] = static_cast<std::int32_t>(static_cast<u32>(row[id >> 5]) | 1u << (id & 31)); };
    if (terminated_ || !degraded_.empty()) {
        std::memset(row, 0, num_bytes);
        for (u32 id = 0; !terminated_ && id < v.size(); id++)
            if (v.bytes(id) != nullptr) allow(id);
        for (u32 id : v.stop_ids) allow(id);
        return;
    }
    engine_->collect_if_large();
    current_.assign(history_.begin() + begin_of_last(), history_.end());
    Recognizer& r = engine_->recognizer;
    if (r.names.is_used()) {
        std::vector<Thread> threads = current_;
        for (Thread& t : threads) t.config = r.config_with_name(t);
        engine_->masks.fill(threads, engine_->scratch.data(), row, num_bytes);
        try_names(row, allow);
    } else {
        engine_->masks.fill(current_, engine_->scratch.data(), row, num_bytes);
    }
    if (ends_here())
        for (u32 id : v.stop_ids) allow(id);
}

}  // namespace codefusion
