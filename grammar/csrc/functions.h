// Token splits in a lexer mode, as functions from a parser stack to a set of tokens.
#pragma once
#include "records.h"
#include "windows.h"

namespace codefusion {

using FunctionId = u32;
using FilterId = u32;

// The mode decides reserved words, and where lexing goes on after an extra. A restricted function counts only what begins
// with some terminals: the tokens of a function are those of its restrictions together, but for keywords.
struct Function {
    SplitId split;
    ModeId mode;
    FilterId filter;        // names what is left of `inside` and `completed`; 0: everything
    ConfigId config;        // of the split
    SuffixId rests;
    u32 tree, num_tokens;
    bool has_lines;         // depends on indentation somewhere below
    bool resolves;          // begins at a line start
    bool has_keywords;      // some completion may be a keyword or a name
    TerminalSet inside;     // what an open lexeme may become
    TerminalSet completed;  // terminals of completions
};

class Functions {
public:
    Functions(Recognizer* recognizer, TokenSplits* splits, WindowTree* windows, Records* records, std::size_t num_words);

    FunctionId at(ConfigId config, SuffixId rests, ModeId mode) { return of(splits_->split(config, rests), config, rests, mode, 0); }
    // What is left after a completion, read from a fresh lexer.
    FunctionId child(u32 completion_number, ModeId mode, SuffixId rests);
    // Some of the terminals only; kNone: nothing is left.
    FunctionId restricted(FunctionId f, const TerminalSet& inside, const TerminalSet& completed);
    // All of them, which have the same mode, filter and configuration.
    FunctionId united(const std::vector<FunctionId>& functions);
    const Function& operator[](FunctionId f) const { return functions_[f]; }
    std::size_t size() const { return functions_.size(); }

    // Names which of the function's words are keywords under a valid set.
    u32 keywords_for(FunctionId f, u32 valid);
    // Tokens that end inside their first lexeme depend on the valid set alone.
    RecordId base(FunctionId f, u32 valid);
    // Whether terminals `a` of open lexemes matter only where `b` are valid, too: whatever may become one of `a` may also
    // become each of `b`.
    bool implied(FunctionId f, const TerminalSet& a, const TerminalSet& b) const;

    void clear();
    void renew_trees();  // windows were forgotten
    void copy_records();
    void save(Writer& w);  // while records are being copied
    void load(Reader& r);
    std::size_t bytes() const;
    u64 num_bases = 0;

private:
    struct Filter {
        TerminalSet inside, completed;
    };
    struct Saved {  // of a function: what the rest follows from
        SplitId split;
        ConfigId config;
        SuffixId rests;
        FilterId filter;
        u32 mode;
    };
    struct SavedBase {
        u64 key;
        RecordId record;
        u32 unused;
    };
    FunctionId of(SplitId split, ConfigId config, SuffixId rests, ModeId mode, FilterId filter);
    FilterId filter_of(const Filter& filter);
    u32 keyword_set_of(const TerminalSet& words);
    RecordId make_base(SplitId split, u32 valid);

    Recognizer* recognizer_;
    TokenSplits* splits_;
    WindowTree* windows_;
    Records* records_;
    StackForest* forest_;
    std::size_t num_words_;
    std::vector<Function> functions_;
    std::vector<Filter> filters_;
    std::vector<TerminalSet> keyword_sets_;
    Table ids_, children_, filter_ids_, valid_ids_, keyword_ids_, keyword_set_ids_, bases_;
};

}  // namespace codefusion
