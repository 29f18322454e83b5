#include "mask.h"

#include <cstring>

namespace codefusion {
namespace {

constexpr u32 kRememberFrom = 30;  // functions of fewer tokens are evaluated again rather than looked up

}  // namespace

MaskEvaluator::MaskEvaluator(Recognizer* r, TokenSplits* s, const Vocabulary* v)
    : recognizer_(r), splits_(s), forest_(&r->forest), records_(s, v->num_words()), windows_(&r->forest),
      functions_(r, s, &windows_, &records_, v->num_words()), summaries_(r, s, &functions_, &records_) {}

void MaskEvaluator::anticipate(std::size_t max_bytes) {
    std::vector<std::vector<FunctionId>> open(recognizer_->states.num_modes());
    for (FunctionId f = 0; f < functions_.size(); f++) {
        const Function& fn = functions_[f];
        if (fn.rests == splits_->whole_vocabulary() && fn.filter == 0 && !fn.resolves) open[fn.mode].push_back(f);
    }
    std::vector<u8> seen(recognizer_->states.size(), 0);
    const std::size_t num_nodes = forest_->size();
    for (NodeId node = 1; node < num_nodes && bytes() < max_bytes; node++) {
        const StateId state = (*forest_)[node].state;
        const RefinedState s = forest_->state(node);
        if (s.mode >= open.size() || state >= seen.size() || seen[state] || s.ends_extra || s.default_reduction >= 0) continue;
        seen[state] = 1;
        for (const FunctionId f : open[s.mode]) {
            const TerminalSet valid = forest_->valid(node);
            if (!valid.meets(functions_[f].inside) && !valid.meets(functions_[f].completed)) continue;
            forest_->lowest_read = (*forest_)[node].depth;
            evaluate(f, node, 0, Line{0, 0, 0});
        }
    }
}

void MaskEvaluator::clear() {
    summaries_.clear();
    functions_.clear();
    windows_.clear(0);
    records_.clear();
    reread_ids_.clear();
    rereads_.clear();
}

void MaskEvaluator::forget_stacks() {
    windows_.clear(static_cast<u32>(functions_.size()));
    functions_.renew_trees();
}

void MaskEvaluator::drop_unused(std::vector<NodeId*>& nodes) {
    records_.begin_copy();
    windows_.drop_unused([&](RecordId r) { return records_.copied(r); }, nodes);
    functions_.copy_records();
    summaries_.copy_records();
    records_.end_copy();
}

std::size_t MaskEvaluator::bytes() const {
    return records_.bytes() + windows_.bytes() + functions_.bytes() + summaries_.bytes() + reread_ids_.bytes() +
           rereads_.size() * sizeof(Reread);
}

void MaskEvaluator::save(Writer& w) {
    w.array(forest_->valid_sets());
    Writer parts;
    records_.begin_copy();
    functions_.save(parts);
    summaries_.save(parts);
    records_.save_copy(w);
    w.bytes += parts.bytes;
}

void MaskEvaluator::load(Reader& r, u32 width) {
    std::vector<StackForest::Valid> valid;
    r.array(valid);
    for (std::size_t i = 0; i < valid.size(); i++)
        if (forest_->intern_valid(valid[i]) != i) throw GrammarError("the artefact's sets of valid terminals are out of order");
    records_.load(r, width);
    functions_.load(r);
    summaries_.load(r);
}

MaskEvaluator::Statistics MaskEvaluator::statistics() const {
    Statistics s = statistics_;
    s.mask_hits = records_.mask_hits;
    s.bases = functions_.num_bases;
    s.summaries = summaries_.num_made;
    return s;
}

// ---- evaluation

bool MaskEvaluator::base_only(FunctionId f, NodeId node, RecordId* record) {
    const Function& fn = functions_[f];
    if (fn.has_lines) return false;
    const u32 valid = forest_->valid_id(node);
    if (forest_->valid_set(valid).meets(fn.completed)) return false;
    *record = functions_.base(f, valid);
    return true;
}

RecordId MaskEvaluator::evaluate(FunctionId f, NodeId node, u32 depth, const Line& line) {
    statistics_.evaluations++;
    RecordId r;
    if (depth != 0 && base_only(f, node, &r)) return r;
    const bool remember = functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines;
    if (remember && (r = windows_.find(functions_[f].tree, node)) != kNone) return r;
    const u32 outer = forest_->lowest_read;
    forest_->lowest_read = (*forest_)[node].depth;
    const Records::Mark mark = records_.mark();
    body(f, node, depth, line);
    r = records_.make(mark);
    if (remember) windows_.insert(functions_[f].tree, node, forest_->lowest_read, r);
    forest_->touch(outer);
    return r;
}

void MaskEvaluator::evaluate_into(FunctionId f, NodeId node, u32 depth, const Line& line) {
    if (functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines) {
        records_.add_record(evaluate(f, node, depth, line));
        return;
    }
    statistics_.evaluations++;
    RecordId r;
    if (base_only(f, node, &r)) {
        records_.add_record(r);
        return;
    }
    const u32 outer = forest_->lowest_read;
    forest_->lowest_read = (*forest_)[node].depth;
    body(f, node, depth, line);
    forest_->touch(outer);
}

// All completed terminals step at once: (stack, terminals) pairs follow the reductions; at each stack the terminals
// that can be shifted are looked up together.
//
// What is looked up lies anywhere in tens of megabytes, so a lookup waits for memory longer than it computes. The work
// is therefore done in rounds over everything at hand, and each round fetches what the next one reads.
void MaskEvaluator::body(FunctionId f, NodeId node, u32 depth, const Line& line) {
    if (depth > 256) {
        statistics_.overflows++;
        return;
    }
    statistics_.bodies++;
    const Function fn = functions_[f];
    const u32 valid = forest_->valid_id(node);
    const u32 keywords = functions_.keywords_for(f, valid);
    const std::size_t first_step = steps_.size(), first_child = children_.size();
    steps_reached(f, node, valid, keywords);
    const std::size_t last_step = steps_.size();
    records_.add_record(functions_.base(f, valid));
    for (std::size_t i = first_step; i < last_step; i++) {
        if (steps_[i].terminals.empty()) continue;
        const Step step = steps_[i];
        steps_[i].summary =
            summaries_.completions(f, keywords, valid, (*forest_)[step.node].state, step.terminals, step.key);
        records_.prefetch(steps_[i].summary.record);
        summaries_.prefetch_exits(steps_[i].summary);
    }
    for (std::size_t i = first_step; i < last_step; i++) {
        const Step& step = steps_[i];
        if (step.terminals.empty()) continue;
        records_.prefetch_content(step.summary.record);
        for (u32 k = 0; k < step.summary.num_exits; k++) {
            const u32 number = step.summary.first_exit + k;
            const NodeId to = leave(summaries_.exit(number), step.node);
            if (to == 0) continue;
            forest_->prefetch(to);
            children_.push_back({number, to});
        }
    }
    for (std::size_t i = first_step; i < last_step; i++) records_.add_record(steps_[i].summary.record);
    steps_.resize(first_step);
    const std::size_t last_child = children_.size();
    statistics_.exits += last_child - first_child;
    for (std::size_t i = first_child; i < last_child; i++) {
        Child& child = children_[i];
        const FunctionId function = summaries_.exit(child.exit).function;
        if (function == kNone) continue;
        child.node = forest_->normal(child.node);
        forest_->prefetch(child.node);
        windows_.prefetch(functions_[function].tree, (*forest_)[child.node].state);
    }
    for (std::size_t i = first_child; i < last_child; i++) {
        const NodeId z = children_[i].node;
        const Exit e = summaries_.exit(children_[i].exit);
        if (e.function != kNone) {
            evaluate_into(e.function, z, depth + 1, line);
            continue;
        }
        const Split& split = (*splits_)[fn.split];
        const Completion c = split.completions[e.completion];
        const ModeId mode = e.is_extra && z == node ? fn.mode : forest_->state(z).mode;
        descend(z, mode, c.reread, c.rests, split.first_completion + e.completion, depth + 1, line);
    }
    children_.resize(first_child);
    if (fn.resolves) resolve_lines(f, node, depth, line);
}

// The stack that an exit leads to; 0: none, a rule or the table refuses.
NodeId MaskEvaluator::leave(const Exit& exit, NodeId node) {
    if (exit.pops == 0) {
        const StateId* path = summaries_.path(exit);
        for (u32 i = 0; i < exit.path_size; i++) node = forest_->push(node, path[i]);
        return node;
    }
    for (u32 i = exit.pops; i > 0 && node != kBottom; i--) node = (*forest_)[node].parent;
    forest_->touch((*forest_)[node].depth);
    if (node == kBottom) return 0;
    const StateId to = recognizer_->states.go_to_context((*forest_)[node].state, exit.nonterminal, exit.context);
    return to == kNone ? 0 : forest_->push(node, to);
}

// Appends to steps_ every stack that reductions lead to, with the completed terminals that can be shifted there.
void MaskEvaluator::steps_reached(FunctionId f, NodeId node, u32 valid, u32 keywords) {
    const std::size_t first = steps_.size();
    const auto add = [&](NodeId n, const TerminalSet& t) {
        for (std::size_t i = first; i < steps_.size(); i++)
            if (steps_[i].node == n && (steps_[i].wanted & t) == t) return;  // an empty reduction may loop
        Step step;
        step.node = n;
        step.wanted = t;
        steps_.push_back(step);
    };
    const TerminalSet wanted = forest_->valid_set(valid) & functions_[f].completed;
    if (!wanted.empty()) add(node, wanted);
    for (std::size_t i = first; i < steps_.size(); i++) {
        if (i - first >= 4096) {
            statistics_.overflows++;
            steps_.resize(i);
            break;
        }
        const NodeId at = steps_[i].node;
        const TerminalSet terminals = steps_[i].wanted;
        forest_->touch((*forest_)[at].depth);
        const RefinedState& s = forest_->state(at);
        steps_[i].terminals = terminals & s.shifts;
        if (!steps_[i].terminals.empty()) {
            steps_[i].key = Summaries::key_of(f, keywords, (*forest_)[at].state, steps_[i].terminals);
            summaries_.prefetch(steps_[i].key);
        }
        for (u32 k = s.first_reduction, end = s.first_reduction + s.num_reductions; k < end; k++) {
            const StateReduction& reduction = recognizer_->states.reduction(k);
            const TerminalSet after = terminals & reduction.lookaheads;
            if (after.empty()) continue;
            const NodeId to = forest_->reduce(at, reduction.reduction);
            if (to != 0) add(to, after);
        }
    }
}

// ---- bytes read again, line starts

MaskEvaluator::Reread MaskEvaluator::reread(ModeId mode, TextId text_id) {
    const u64 key = static_cast<u64>(text_id) << 16 | mode;
    const u32 known = reread_ids_.get(key);
    if (known != kNone) return rereads_[known];
    Reread r;
    const std::string text = splits_->text(text_id);
    LexState s = recognizer_->lexer.start(mode);
    LexOutcome o;
    const auto size = static_cast<u32>(text.size());
    for (u32 i = 0; i < size && o.event == LexEvent::kAlive; i++) o = recognizer_->lexer.push(s, static_cast<u8>(text[i]), i);
    switch (o.event) {
        case LexEvent::kAlive: {
            const u32 complete = s.missing != 0 ? s.char_start : size;
            const u32 lag = s.accepted != kNoSymbol ? s.accept_end : complete;
            r.kind = Reread::kOpen;
            r.config = recognizer_->config_of(s, std::string_view(text).substr(lag, complete - lag), std::string_view(text).substr(complete));
            break;
        }
        case LexEvent::kLexeme:
            r.kind = Reread::kLexeme;
            r.terminal = o.terminal;
            r.keyword = o.keyword;
            r.rest = splits_->intern_text(text.substr(o.end));
            break;
        case LexEvent::kResolve:
            r.kind = Reread::kResolve;
            r.crossed = o.crossed_newline;
            r.column = s.column;
            r.alt_column = s.alt_column;
            r.rest = splits_->intern_text(text.substr(o.end));
            break;
        case LexEvent::kDead: break;
    }
    reread_ids_.put(key, static_cast<u32>(rereads_.size()));
    rereads_.push_back(r);
    return r;
}

// Goes on after a lexeme: first the bytes that have to be read again, then the rests of the tokens.
void MaskEvaluator::descend(NodeId node, ModeId mode, TextId text, SuffixId rests, u32 completion_number, u32 depth, const Line& line) {
    if (depth > 256) {
        statistics_.overflows++;
        return;
    }
    if (text == 0) {
        const FunctionId f = completion_number != kNone ? functions_.child(completion_number, mode, rests)
                                                        : functions_.at(recognizer_->fresh_config(mode), rests, mode);
        evaluate_into(f, forest_->normal(node), depth, line);
        return;
    }
    const Reread r = reread(mode, text);
    if (r.kind == Reread::kDead) return;
    if (r.kind == Reread::kOpen) {
        evaluate_into(functions_.at(r.config, rests, mode), forest_->normal(node), depth, line);
        return;
    }
    if (r.kind == Reread::kResolve) {
        std::vector<Recognizer::Resolved> resolved;
        recognizer_->resolve(node, line.indent, r.column, r.alt_column, r.crossed, resolved);
        for (const auto& z : resolved) descend(z.node, forest_->state(z.node).mode, r.rest, rests, kNone, depth + 1, Line{z.indent, 0, 0});
        return;
    }
    const u32 terminal = forest_->effective(node, r.terminal, r.keyword);
    if (!forest_->valid(node).has(terminal)) return;
    std::vector<NodeId> stepped;
    forest_->step(node, terminal, stepped);
    for (const NodeId z : stepped)
        descend(z, z == node ? mode : forest_->state(z).mode, r.rest, rests, kNone, depth + 1, line);
}

// Completions at a line start: indentation decides which stack the rest is read on.
void MaskEvaluator::resolve_lines(FunctionId f, NodeId node, u32 depth, const Line& line) {
    const SplitId split = functions_[f].split;
    std::vector<Recognizer::Resolved> resolved;
    for (std::size_t i = 0; i < (*splits_)[split].resolves.size(); i++) {
        const LineResolve l = (*splits_)[split].resolves[i];
        u32 column = l.new_line ? 0 : line.column, alt_column = l.new_line ? 0 : line.alt_column;
        for (char c : splits_->text(l.blanks)) {
            column = c == ' ' ? column + 1 : c == '\t' ? (column / 8 + 1) * 8 : 0;
            alt_column = c == '\f' ? 0 : alt_column + 1;
        }
        resolved.clear();
        recognizer_->resolve(node, line.indent, column, alt_column, l.crossed_newline, resolved);
        for (const auto& z : resolved) descend(z.node, forest_->state(z.node).mode, l.reread, l.rests, kNone, depth + 1, Line{z.indent, 0, 0});
    }
}

// ---- whole masks

void MaskEvaluator::fill(const std::vector<Thread>& threads, u64* words, void* row, std::size_t num_bytes) {
    statistics_.fills++;
    std::vector<RecordId> parts;
    bool is_stored = true;
    for (const Thread& t : threads) {
        const LexConfig& c = recognizer_->config(t.config);
        ConfigId config = t.config;
        const Line line{t.indent, c.lex.column, c.lex.alt_column};
        if (c.lex.column != 0 || c.lex.alt_column != 0) {  // columns stay out of the keys
            LexState canonical = c.lex;
            canonical.column = canonical.alt_column = 0;
            const std::string lag = c.lag, partial = c.partial;
            config = recognizer_->config_of(canonical, lag, partial);
        }
        const FunctionId f = functions_.at(config, splits_->whole_vocabulary(), forest_->state(t.node).mode);
        forest_->lowest_read = (*forest_)[t.node].depth;
        is_stored = functions_[f].num_tokens >= kRememberFrom && !functions_[f].has_lines;
        parts.push_back(evaluate(f, forest_->normal(t.node), 0, line));
    }
    if (parts.size() == 1) {
        // Results at line starts are made anew each time, from stored parts; equal parts are the same record.
        std::memcpy(row, records_.mask_of(records_.same(parts[0], !is_stored), words), num_bytes);
        return;
    }
    records_.apply(parts, words);
    std::memcpy(row, words, num_bytes);
}

}  // namespace codefusion
