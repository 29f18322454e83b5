#include "recognizer.h"

#include <algorithm>

#include "javascript_scanner.h"
#include "python_scanner.h"
#include "rust_scanner.h"

namespace codefusion {

std::unique_ptr<Scanner> make_scanner(const std::string& name, const ts::Language* language) {
    if (name.empty()) return nullptr;
    if (name == "python") return std::make_unique<PythonScanner>(language);
    if (name == "javascript") return std::make_unique<JavaScriptScanner>(language, false);
    if (name == "typescript") return std::make_unique<JavaScriptScanner>(language, true);
    if (name == "rust") return std::make_unique<RustScanner>(language);
    throw GrammarError("expected scanner 'python', 'javascript', 'typescript', 'rust' or none, got '" + name + "'");
}

Language::Language(const ts::Language* grammar, RuleTables r, const std::string& scanner, u32 verify_words)
    : table(grammar), rules(std::move(r)), lexer(grammar, &rules, verify_words), scanner_name(scanner) {
    if (scanner.empty() && grammar->external_token_count != 0 && grammar->external_scanner.scan != nullptr)
        throw GrammarError("the grammar has external tokens; expected the name of their scanner");
    rules.prepare(table.num_terminals + static_cast<u32>(rules.pseudo_base.size()), table.num_states);
    if (const auto own = make_scanner(scanner, grammar)) state_flags = own->state_flags(table);
    StateTable::add_word_flags(state_flags, table, rules);
}

Recognizer::Recognizer(const Language& l)
    : language(&l), lexer(l.table.source, l.lexer, &l.rules),
      states(&l.table, &l.rules, &l.state_flags), forest(&states), names(&l.rules) {
    lexer.attach(&states, make_scanner(l.scanner_name, l.table.source));
    indents.push_back({0, 0, 0});
    if (lexer.keywords.num_states != 0) states.keywords = lexer.keywords.reachable[0];
}

std::vector<Thread> Recognizer::start(u32 top) {
    const NodeId node = forest.start(top);
    return {{node, config_of(lexer.text_start(forest.state(node).mode), {}, {}), 0}};
}

IndentId Recognizer::push_indent(IndentId parent, u32 column, u32 alt_column) {
    const u64 key = static_cast<u64>(parent) << 40 ^ static_cast<u64>(column) << 20 ^ alt_column;
    const auto it = indent_ids_.find(key);
    if (it != indent_ids_.end()) return it->second;
    indents.push_back({parent, column, alt_column});
    return indent_ids_[key] = static_cast<IndentId>(indents.size() - 1);
}

ConfigId Recognizer::config_of(const LexState& lex, std::string_view lag, std::string_view partial) {
    LexState s = lex;
    s.accept_end = 0;
    s.char_start = static_cast<u32>(lag.size());
    if (s.kind == 0) {
        s.start_mode = 0;
        s.column = s.alt_column = 0;
        if (!s.fresh) s.newline_mode = 0;
    }
    if (s.accepted == kNoSymbol) lag = {};
    std::string key;
    const auto put = [&key](u32 v, int bytes) {
        for (int i = 0; i < bytes; i++) key.push_back(static_cast<char>(v >> (8 * i)));
    };
    put(s.kind, 1), put(s.fresh, 1), put(s.newline_mode, 1), put(s.missing, 1), put(s.q, 2), put(s.keyword_q, 2);
    put(s.accepted, 2), put(s.accepted_keyword, 2), put(s.start_mode, 2), put(s.detail, 2);
    put(s.column, 4), put(s.alt_column, 4), put(static_cast<u32>(lag.size()), 4);
    key.append(lag);
    key.append(partial);
    const auto [it, is_new] = config_ids_.emplace(std::move(key), static_cast<ConfigId>(configs_.size()));
    if (is_new) configs_.push_back({s, std::string(lag), std::string(partial), lexer.reachable(s)});
    return it->second;
}

ConfigId Recognizer::fresh_config(ModeId mode) {
    if (fresh_configs_.size() <= mode) fresh_configs_.resize(states.num_modes(), kNone);
    if (fresh_configs_[mode] == kNone) fresh_configs_[mode] = config_of(lexer.start(mode), {}, {});
    return fresh_configs_[mode];
}

void Recognizer::add(std::vector<Thread>& out, Thread t) {
    if (std::find(out.begin(), out.end(), t) != out.end()) return;
    if (out.size() >= kMaxThreads) {
        dropped_threads++;
        return;
    }
    out.push_back(t);
}

void Recognizer::begin(const Thread& t, std::string_view bytes, std::string& text, std::vector<Job>& jobs) {
    const LexConfig& c = configs_[t.config];
    text = c.lag;
    text += c.partial;
    const auto position = static_cast<u32>(text.size());
    text += bytes;
    jobs.clear();
    jobs.push_back({t.node, t.indent, c.lex, position, 0, !c.lex.fresh});
}

void Recognizer::advance(const std::vector<Thread>& threads, std::string_view bytes, std::vector<Thread>& out) {
    std::string text;
    std::vector<Job> jobs;
    out.clear();
    for (const Thread& t : threads) {
        begin(t, bytes, text, jobs);
        run(jobs, text, out);
    }
}

void Recognizer::after_lexeme(const Job& job, const LexOutcome& o, const std::string& text, std::vector<Job>& jobs) {
    const u32 terminal = forest.effective(job.node, o.terminal, o.keyword);
    if (!forest.valid(job.node).has(terminal)) return;
    num_lexemes++;
    if (names.is_used()) return after_name(job, terminal, o.end, text, jobs);
    stepped_.clear();
    forest.step(job.node, terminal, stepped_);
    for (const NodeId n : stepped_) jobs.push_back({n, job.indent, lexer.start(forest.state(n).mode, o.end), o.end, o.end, false});
}

// A name counts by where it ends up: reductions before it may leave the class whose name it is.
void Recognizer::after_name(const Job& job, u32 terminal, u32 end, const std::string& text, std::vector<Job>& jobs) {
    const RuleTables& rules = language->rules;
    const ScopeId outside = names.closed(job.indent);
    const bool is_named = terminal == rules.named;
    const bool is_naming = is_named && gives_name(job.node);
    std::optional<std::string> name;
    if (is_named && (is_naming || outside != Names::kNoScope)) name = spelled(job, text, end);
    const bool may_be_own = name && names.contains(outside, *name);
    for (const bool is_own : {false, true}) {
        if (is_own && !may_be_own) continue;
        stepped_.clear();
        forest.step(job.node, is_own ? rules.own : terminal, stepped_);
        for (const NodeId n : stepped_) {
            ScopeId scope = n == job.node ? outside : names.at_depth(outside, forest[n].depth);
            if (may_be_own && names.is_own(scope, *name) != is_own) continue;
            if (is_naming && forest[n].parent == job.node) scope = names.named(scope, forest[n].depth, name ? *name : std::string());
            jobs.push_back({n, scope, lexer.start(forest.state(n).mode, end), end, end, false});
        }
    }
}

// The text of a lexeme that ends at `end`; nothing when it cannot be a name around it.
std::optional<std::string> Recognizer::spelled(const Job& job, const std::string& text, u32 end) const {
    if (job.is_resumed) {
        if (!names.is_open(job.indent)) return std::nullopt;
        return names.open_text(job.indent) + text.substr(0, end);
    }
    const std::string& blanks = language->rules.blanks;
    const std::size_t begin = std::min<std::size_t>(text.find_first_not_of(blanks, job.begin), end);
    return text.substr(begin, end - begin);
}

// The scope of a lexeme that is open at the end of the text, complete up to `end`.
ScopeId Recognizer::scope_at(const Job& job, const std::string& text, u32 end) {
    const ScopeId outside = names.closed(job.indent);
    if (!names.is_used() || job.lex.fresh || job.lex.accepted != language->rules.named) return outside;
    const bool is_naming = gives_name(job.node);
    if (!is_naming && outside == Names::kNoScope) return outside;
    const std::optional<std::string> so_far = spelled(job, text, end);
    return so_far ? names.open(outside, *so_far, is_naming) : outside;
}

ConfigId Recognizer::config_with_name(const Thread& t) {
    const u16 named = language->rules.named, own = language->rules.own;
    if (!names.is_used() || !names.is_open(t.indent) || !forest.valid(t.node).has(named)) return t.config;
    const std::string name = names.open_text(t.indent);
    const ScopeId outside = names.closed(t.indent);
    stepped_.clear();
    forest.step(t.node, named, stepped_);
    // All parses leave the same classes: a body that is complete can only be reduced.
    const bool is_own = std::any_of(stepped_.begin(), stepped_.end(), [&](NodeId n) {
        return names.is_own(names.at_depth(outside, forest[n].depth), name);
    });
    if (!is_own) return t.config;
    LexState s = configs_[t.config].lex;
    s.accepted = own;
    const std::string lag = configs_[t.config].lag, partial = configs_[t.config].partial;
    return config_of(s, lag, partial);
}

void Recognizer::run(std::vector<Job>& jobs, const std::string& text, std::vector<Thread>& out) {
    std::vector<Resolved> resolved;
    const auto size = static_cast<u32>(text.size());
    for (u32 num_jobs = 0; !jobs.empty(); num_jobs++) {
        Job job = jobs.back();
        jobs.pop_back();
        if (num_jobs > 64 + 16 * size) {  // work bound: never met by real text, only by a fork at every byte
            dropped_threads += jobs.size() + 1;
            jobs.clear();
            return;
        }
        LexOutcome o;
        u32 at = job.position;
        for (; at < size && o.event == LexEvent::kAlive; at++) o = lexer.push(job.lex, static_cast<u8>(text[at]), at);
        switch (o.event) {
            case LexEvent::kAlive: {
                const u32 complete = job.lex.missing != 0 ? job.lex.char_start : size;
                const u32 lag = job.lex.accepted != kNoSymbol ? job.lex.accept_end : complete;
                const std::string_view all(text);
                const IndentId indent = names.is_used() ? scope_at(job, text, lag) : job.indent;
                add(out, {job.node, config_of(job.lex, all.substr(lag, complete - lag), all.substr(complete)), indent});
                break;
            }
            case LexEvent::kLexeme: after_lexeme(job, o, text, jobs); break;
            case LexEvent::kResolve:
                resolved.clear();
                resolve(job.node, job.indent, job.lex.column, job.lex.alt_column, o.crossed_newline, resolved);
                num_lexemes += !resolved.empty();
                for (const Resolved& r : resolved)
                    jobs.push_back({r.node, r.indent, lexer.start(forest.state(r.node).mode, o.end), o.end, o.end, false});
                break;
            case LexEvent::kDead: break;
        }
    }
}

void Recognizer::resolve(NodeId node, IndentId indent, u32 column, u32 alt_column, bool crossed_newline,
                         std::vector<Resolved>& out) {
    std::vector<Resolved> work{{node, indent}}, next;
    std::vector<NodeId> stepped;
    if (crossed_newline) {
        const Scanner& s = *lexer.scanner;
        if (forest.valid(node).has(s.indent)) {  // a block has to follow
            if (column <= indents[indent].column || alt_column <= indents[indent].alt_column) return;
            forest.step(node, s.indent, stepped);
            for (const NodeId n : stepped) out.push_back({n, push_indent(indent, column, alt_column)});
            return;
        }
        if (forest.valid(node).has(s.newline)) {
            forest.step(node, s.newline, stepped);
            work.clear();
            for (const NodeId n : stepped) work.push_back({n, indent});
        } else {
            return;
        }
    }
    for (std::size_t i = 0; i < work.size() && i < 4096; i++) {
        const Resolved r = work[i];
        const Indent top = indents[r.indent];
        if (column == top.column) {
            if (alt_column == top.alt_column) out.push_back(r);
            continue;
        }
        if (column > top.column || !forest.valid(r.node).has(lexer.scanner->dedent)) continue;
        stepped.clear();
        forest.step(r.node, lexer.scanner->dedent, stepped);
        for (const NodeId n : stepped) work.push_back({n, top.parent});
    }
}

bool Recognizer::can_end(const std::vector<Thread>& threads) {
    std::string text;
    std::vector<Job> jobs;
    for (const Thread& t : threads) {
        begin(t, {}, text, jobs);
        if (job_can_end(jobs, text)) return true;
    }
    return false;
}

bool Recognizer::job_can_end(std::vector<Job> jobs, const std::string& text) {
    const auto size = static_cast<u32>(text.size());
    std::vector<Resolved> resolved;
    for (u32 num_jobs = 0; !jobs.empty() && num_jobs < 4096; num_jobs++) {
        Job job = jobs.back();
        jobs.pop_back();
        LexOutcome o;
        for (u32 at = job.position; at < size && o.event == LexEvent::kAlive; at++)
            o = lexer.push(job.lex, static_cast<u8>(text[at]), at);
        bool at_end = false;
        if (o.event == LexEvent::kAlive) {
            at_end = true;
            o = lexer.finish(job.lex, size);
        }
        if (o.event == LexEvent::kLexeme) after_lexeme(job, o, text, jobs);
        if (o.event == LexEvent::kResolve) {
            resolved.clear();
            resolve(job.node, job.indent, job.lex.column, job.lex.alt_column, o.crossed_newline, resolved);
            for (const Resolved& r : resolved) {
                if (!at_end) jobs.push_back({r.node, r.indent, lexer.start(forest.state(r.node).mode, o.end), o.end, o.end, false});
                else if (forest.accepts_end(r.node)) return true;
            }
        }
        if (o.event == LexEvent::kAlive) {
            if (forest.accepts_end(job.node)) return true;
            // Some grammars (Go) have a terminal that stands for the end of the text: the character NUL.
            const u16 to = lexer.main.step(job.lex.q, 0);
            const u16 terminal = to == Automaton::kDead ? kNoSymbol : lexer.main.accepts[to];
            if (terminal == kNoSymbol || terminal == 0) continue;
            std::vector<NodeId> stepped;
            forest.step(job.node, terminal, stepped);
            for (const NodeId n : stepped)
                if (forest.accepts_end(n)) return true;
        }
    }
    return false;
}

bool Recognizer::is_viable(const Thread& thread) {
    const LexConfig c = configs_[thread.config];
    if (c.partial.empty()) {
        if (c.reachable.meets(forest.valid(thread.node))) return true;
        if (c.lag.empty() || c.lex.accepted == kNoSymbol) return false;
        // The lexer may still fall back to its last accept: then the rest is read in the state behind it.
        std::vector<Job> jobs;
        const Job job{thread.node, thread.indent, c.lex, 0, 0, true};
        after_lexeme(job, {LexEvent::kLexeme, c.lex.accepted, c.lex.accepted_keyword, 0, false}, c.lag, jobs);
        std::vector<Thread> out;
        run(jobs, c.lag, out);
        return std::any_of(out.begin(), out.end(), [this](const Thread& t) { return is_viable(t); });
    }
    for (const std::string& rest : completions_of(c.partial)) {
        std::vector<Thread> out;
        advance({thread}, rest, out);
        if (std::any_of(out.begin(), out.end(), [this](const Thread& t) { return is_viable(t); })) return true;
    }
    return false;
}

void Recognizer::keep_viable(std::vector<Thread>& threads) {
    threads.erase(std::remove_if(threads.begin(), threads.end(), [this](const Thread& t) { return !is_viable(t); }),
                  threads.end());
}

std::vector<std::string> Recognizer::completions_of(std::string_view partial) const {
    const auto lead = static_cast<u8>(partial[0]);
    const u32 length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    u32 value = lead & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < partial.size(); i++) value = value << 6 | (static_cast<u8>(partial[i]) & 63u);
    const u32 open_bits = 6 * (length - static_cast<u32>(partial.size()));
    u32 low = value << open_bits;
    const u32 high = std::min(low | ((1u << open_bits) - 1), 0x10ffffu);
    low = std::max(low, length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u);
    std::vector<std::string> rests;
    std::vector<bool> seen(lexer.classes.num_classes, false);
    const auto& starts = lexer.classes.interval_starts;
    const auto first = std::upper_bound(starts.begin(), starts.end(), low) - 1;
    for (auto it = first; it != starts.end() && *it <= high; ++it) {
        u32 c = std::max(*it, low);
        if (c >= 0xd800 && c < 0xe000) c = 0xe000;
        const auto next = it + 1;
        if (c > high || (next != starts.end() && c >= *next)) continue;
        const u32 cls = lexer.classes.interval_class[static_cast<std::size_t>(it - starts.begin())];
        if (seen[cls]) continue;
        seen[cls] = true;
        std::string bytes;
        for (u32 i = length - static_cast<u32>(partial.size()); i-- > 0;)
            bytes.push_back(static_cast<char>(0x80 | (c >> (6 * i) & 63)));
        rests.push_back(bytes);
    }
    return rests;
}

}  // namespace codefusion
