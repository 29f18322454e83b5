// Hostile text and hostile token streams for one matcher and its clones; every step checks a law.
//
// An input is a list of steps. A byte below 0x80 is taken as that token, so that plain source text is an input
// (and a seed); other bytes choose one of the steps below, with the bytes that follow as its arguments.
#include <algorithm>

#include "target.h"

namespace codefusion::fuzz {
namespace {

using Row = std::vector<std::int32_t>;

constexpr int kMaxFills = 24, kMaxClosings = 2, kTrials = 6;  // keep an input below 0.1 s
constexpr std::size_t kMaxKnown = 300'000;  // what an engine never forgets; beyond, a new one is made

class Input {
public:
    Input(const u8* data, std::size_t size) : at_(data), end_(data + size) {}
    bool empty() const { return at_ == end_; }
    u8 byte() { return empty() ? 0 : *at_++; }
    u32 number() {
        const u32 high = byte();
        return high << 8 | byte();
    }
    std::string text(std::size_t most) {
        const std::size_t n = std::min(most, static_cast<std::size_t>(end_ - at_));
        std::string s(reinterpret_cast<const char*>(at_), n);
        at_ += n;
        return s;
    }

private:
    const u8 *at_, *end_;
};

class Walk {
public:
    Walk(std::shared_ptr<Engine> engine, Input input)
        : engine_(std::move(engine)), vocabulary_(*engine_->vocabulary), in_(input), matcher_(begin({}, {})) {}

    void run() {
        while (!in_.empty()) {
            const u8 step = in_.byte();
            if (step < 0x80) take(step);
            else choose(step);
        }
        fill_and_try();
    }

private:
    std::unique_ptr<Matcher> begin(std::string prefix, std::string suffix) {
        return std::make_unique<Matcher>(engine_, std::move(prefix), std::move(suffix));
    }

    void choose(u8 step) {
        switch (step % 12) {
            case 0: take(in_.number() % (vocabulary_.width + 2)); break;  // also ids that do not exist
            case 1: take(in_.byte()); break;
            case 2: fill_and_try(); break;
            case 3: roll_back(in_.byte()); break;
            case 4: take_back(in_.number() % vocabulary_.width); break;
            case 5: change_places(); break;
            case 6: check(matcher_->can_end() == Matcher(*matcher_).can_end(), "a clone ends where its original does"); break;
            case 7: close(); break;
            case 8: take_text(in_.text(in_.byte() % 64)); break;
            case 9: begin_again(); break;
            case 10: collect(); break;
            case 11: matcher_->reset(); break;
        }
    }

    void take(u32 id) {
        const u32 before = matcher_->num_accepted();
        const bool taken = matcher_->accept_token(id);
        check(matcher_->num_accepted() == before + (taken ? 1 : 0), "a refused token changes nothing");
    }

    // Text in one piece and byte by byte: the same parses remain.
    void take_text(const std::string& text) {
        if (matcher_->is_terminated() || !matcher_->degraded_reason().empty()) return;
        Matcher bytewise(*matcher_);
        bool all = true;
        for (const char c : text) all = all && bytewise.accept_bytes({&c, 1});
        const bool whole = matcher_->accept_bytes(text);
        if (!matcher_->degraded_reason().empty() || !bytewise.degraded_reason().empty()) return;
        check(all == whole, "text is viable in one piece exactly when it is byte by byte");
        if (whole) check(row_of(*matcher_) == row_of(bytewise), "the bitmask does not depend on where tokens end");
    }

    // The row is exactly as long as it must be, so that AddressSanitizer sees a write past its end.
    Row row_of(Matcher& m) const {
        Row row((vocabulary_.width + 31) / 32, 0x5a5a5a5a);
        m.fill_bitmask(row.data());
        return row;
    }

    static bool allows(const Row& row, u32 id) { return static_cast<u32>(row[id >> 5]) >> (id & 31) & 1; }

    void fill_and_try() {
        if (++num_fills_ > kMaxFills) return;
        const Row row = row_of(*matcher_);
        check(row == row_of(*matcher_), "the bitmask is the same when it is asked for again");
        if (!matcher_->degraded_reason().empty()) return;
        if (matcher_->is_terminated()) return;
        for (int i = 0; i < kTrials; i++) {
            const u32 id = in_.number() % vocabulary_.width;
            Matcher trial(*matcher_);
            const bool taken = trial.accept_token(id);
            if (!trial.degraded_reason().empty()) return;
            check(taken == allows(row, id), "a token is allowed exactly when it is accepted");
        }
    }

    void roll_back(u32 count) {
        const u32 accepted = matcher_->num_accepted();
        try {
            matcher_->rollback(count);
            check(count <= accepted, "more is not rolled back than was accepted");
            check(matcher_->num_accepted() == accepted - count, "rollback takes back what it was asked to");
        } catch (const GrammarError&) {
            check(count > accepted, "accepted tokens can be rolled back");
        }
    }

    void take_back(u32 id) {
        if (++num_fills_ > kMaxFills) return;
        const Row before = row_of(*matcher_);
        if (!matcher_->accept_token(id)) return;
        matcher_->rollback(1);
        if (matcher_->degraded_reason().empty()) check(before == row_of(*matcher_), "rollback restores the bitmask");
    }

    void change_places() {
        if (other_ == nullptr) other_ = std::make_unique<Matcher>(*matcher_);
        std::swap(matcher_, other_);
    }

    void close() {
        if (matcher_->is_terminated() || !matcher_->degraded_reason().empty() || ++num_closings_ > kMaxClosings) return;
        const Closing::Result r = matcher_->closing();
        if (!r.found) return;
        Matcher closed(*matcher_);
        check(closed.accept_bytes(r.bytes), "a closing can be appended");
        check(closed.can_end(), "a closed text is valid");
    }

    void begin_again() {
        std::string prefix = in_.text(in_.byte()), suffix = in_.text(in_.byte() % 8);
        matcher_ = begin(std::move(prefix), std::move(suffix));
        num_closings_ += suffix.empty() ? 0 : kMaxClosings;
    }

    // What happens when the shared stacks grow too large: those still in use move to new places.
    void collect() {
        if (++num_fills_ > kMaxFills) return;
        const Row before = row_of(*matcher_);
        {
            const std::lock_guard<std::mutex> guard(engine_->lock);
            std::vector<NodeId*> roots;
            for (Matcher* m : engine_->matchers) m->add_roots(roots);
            engine_->recognizer.forest.compact(roots);
            engine_->masks.forget_stacks();
            engine_->closing.forget_stacks();
        }
        check(before == row_of(*matcher_), "collecting unused stacks changes nothing");
    }

    std::shared_ptr<Engine> engine_;
    const Vocabulary& vocabulary_;
    Input in_;
    std::unique_ptr<Matcher> matcher_, other_;
    int num_fills_ = 0, num_closings_ = 0;
};

// Inputs share an engine, as requests do: what one leaves behind must not change what the next one sees.
std::shared_ptr<Engine> shared_engine() {
    static std::shared_ptr<Engine> engine;
    const auto num_known = [](const Recognizer& r) { return r.num_configs() + r.states.size() + r.indents.size(); };
    if (engine == nullptr || num_known(engine->recognizer) > kMaxKnown) {
        engine = target().new_engine();
        Matcher(engine, {}, {}).closing();  // its table takes long to make, and would pass for a slow input
    }
    return engine;
}

}  // namespace
}  // namespace codefusion::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    codefusion::fuzz::shared_engine();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace codefusion::fuzz;
    Walk(shared_engine(), Input(data, size)).run();
    return 0;
}
