// Lexer + rules + parser: reads bytes, keeps every parse that is still possible.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "lexer.h"
#include "names.h"
#include "stack.h"

namespace codefusion {

// A language, immutable once built and shared by everything: parse table, automata, rules.
class Language {
public:
    Language(const ts::Language* grammar, RuleTables rules, const std::string& scanner, u32 verify_words);
    ParseTable table;
    RuleTables rules;
    LexerTables lexer;
    std::string scanner_name;
    std::vector<u32> state_flags;  // of the modes, by LR state: what the scanner wants to know; empty: nothing
    u64 fingerprint = 0;         // of everything that decides the language; artefacts carry it
};

using ConfigId = u32;
using IndentId = u32;

// A lexer state at a token boundary, with the bytes it may have to read again.
struct LexConfig {
    LexState lex;
    std::string lag;      // behind the last accept
    std::string partial;  // of an unfinished UTF-8 character
    TerminalSet reachable;
};

struct Thread {
    NodeId node;
    ConfigId config;
    IndentId indent;  // of a language whose rules compare names: the ScopeId
    bool operator==(const Thread& o) const { return node == o.node && config == o.config && indent == o.indent; }
};

// One level of an indentation stack; persistent like the parser's.
struct Indent {
    IndentId parent;
    u32 column, alt_column;
};

class Recognizer {
public:
    static constexpr std::size_t kMaxThreads = 64;  // parses alive at once; more are dropped and counted

    explicit Recognizer(const Language& language);

    std::vector<Thread> start(u32 top = 0);  // top: a level of StackRule::tops
    // Every parse after the bytes. Dead ones vanish; `out` may come back empty.
    void advance(const std::vector<Thread>& threads, std::string_view bytes, std::vector<Thread>& out);
    bool can_end(const std::vector<Thread>& threads);
    bool is_viable(const Thread& thread);
    void keep_viable(std::vector<Thread>& threads);
    // The stacks after a line start at this column; nothing when the indentation is refused.
    struct Resolved {
        NodeId node;
        IndentId indent;
    };
    void resolve(NodeId node, IndentId indent, u32 column, u32 alt_column, bool crossed_newline,
                 std::vector<Resolved>& out);

    ConfigId config_of(const LexState& lex, std::string_view lag, std::string_view partial);
    ConfigId fresh_config(ModeId mode);
    const LexConfig& config(ConfigId id) const { return configs_[id]; }
    // Code points that may complete a partial UTF-8 character, one for each character class.
    std::vector<std::string> completions_of(std::string_view partial) const;
    std::size_t num_configs() const { return configs_.size(); }

    // The configuration that tells the token splits whether an open lexeme, were it to end here, is the name around it.
    ConfigId config_with_name(const Thread& thread);

    const Language* language;
    Lexer lexer;
    StateTable states;
    StackForest forest;
    Names names;
    u64 num_lexemes = 0;      // completed in any parse, ever; a line start counts, too
    u64 dropped_threads = 0;  // parses given up because of a bound, ever

    std::vector<Indent> indents;
    IndentId push_indent(IndentId parent, u32 column, u32 alt_column);

private:
    struct Job {
        NodeId node;
        IndentId indent;
        LexState lex;
        u32 position;
        u32 begin;        // of what this run has of the lexeme, blanks included
        bool is_resumed;  // the lexeme begins before this run's text
    };
    void run(std::vector<Job>& jobs, const std::string& text, std::vector<Thread>& out);
    void begin(const Thread& thread, std::string_view bytes, std::string& text, std::vector<Job>& jobs);
    void after_lexeme(const Job& job, const LexOutcome& o, const std::string& text, std::vector<Job>& jobs);
    void after_name(const Job& job, u32 terminal, u32 end, const std::string& text, std::vector<Job>& jobs);
    std::optional<std::string> spelled(const Job& job, const std::string& text, u32 end) const;
    ScopeId scope_at(const Job& job, const std::string& text, u32 end);
    bool gives_name(NodeId node) const { return (forest.mode(node).flags & language->rules.naming_flag) != 0; }
    bool job_can_end(std::vector<Job> jobs, const std::string& text);
    void add(std::vector<Thread>& out, Thread t);

    std::vector<LexConfig> configs_;
    std::unordered_map<std::string, ConfigId> config_ids_;
    std::vector<ConfigId> fresh_configs_;
    std::unordered_map<u64, IndentId> indent_ids_;
    std::vector<NodeId> stepped_;
};

// The text without a mark of byte order at its start.
inline std::string_view without_mark(std::string_view text) {
    return text.substr(0, 3) == "\xef\xbb\xbf" ? text.substr(3) : text;
}

std::unique_ptr<Scanner> make_scanner(const std::string& name, const ts::Language* language);

}  // namespace codefusion
