// The vocabulary cut into lexemes, once per lexer configuration and without the parser.
//
//   split(configuration, token rests) =
//     inside      {terminals the open lexeme may become -> tokens}            "fo"   in  "  fo|"
//     completions {(terminal, keyword, bytes to read again) -> token rests}   ")\n"  ->  ")" + "\n"
//     resolves    {(line ended, column change) -> token rests}                "\n  x" at a line start -> "x"
// A mask is then the union of the inside sets whose terminals are valid, and of what the rests allow after the
// parser has taken the completed terminal.
#pragma once
#include <deque>
#include <map>

#include "recognizer.h"
#include "vocabulary.h"

namespace codefusion {

using SetId = u32;      // of token ids
using SuffixId = u32;   // of token rests
using SplitId = u32;
using TextId = u32;     // short byte strings

struct TokenSet {
    static constexpr u32 kDenseFrom = 1200;  // a sparse set costs 4 bytes an id, a dense one 19 KB
    std::vector<u32> ids;      // ascending; empty when dense
    std::vector<u64> words;    // one bit a token; empty when sparse
    u32 count = 0;
};

struct Inside {
    TerminalSet terminals;
    SetId tokens;
};

struct Completion {
    u16 terminal, keyword;
    TextId reread;       // bytes before the token that the lexer reads again
    SuffixId rests;
};

struct LineResolve {
    bool crossed_newline;  // a logical line ended, so a newline or an indent comes first
    bool new_line;         // the column counts from 0, not from the configuration's column
    TextId blanks;         // blanks that follow
    TextId reread;
    SuffixId rests;
};

struct Split {
    std::vector<Inside> inside;
    std::vector<Completion> completions;
    std::vector<LineResolve> resolves;
    TerminalSet completed;      // terminals of the completions (keywords included)
    u32 num_tokens = 0;
    u32 first_completion = 0;   // number of the first completion among all splits'
    bool has_lines = false;     // depends on indentation somewhere below
};

class TokenSplits {
public:
    TokenSplits(Recognizer* recognizer, const Vocabulary* vocabulary);

    SplitId split(ConfigId config, SuffixId rests);
    SuffixId whole_vocabulary() const { return whole_; }
    const Split& operator[](SplitId s) const { return *splits_[s]; }
    const TokenSet& set(SetId s) const { return *sets_[s]; }
    const std::string& text(TextId t) const { return texts_[t]; }
    SetId intern_set(std::vector<u32>& ids);
    SetId intern_words(std::vector<u64> words, u32 count);
    TextId intern_text(const std::string& s);
    SuffixId unite(std::vector<SuffixId> lists);
    bool has_lines(SuffixId s) const { return suffixes_[s].has_lines; }
    std::size_t size() const { return splits_.size(); }
    std::size_t bytes() const;
    std::size_t num_sets() const { return sets_.size(); }
    std::size_t num_suffixes() const { return suffixes_.size(); }
    u32 num_completions() const { return num_completions_; }

    double seconds = 0;  // spent building, ever
    std::size_t num_roots = 0;

private:
    friend class Artifact;
    static constexpr std::size_t kMaxEntries = 1u << 20;
    struct Entry {  // one token, or one way a token with an unfinished character may go on
        const char* text;
        u32 size, token;
    };
    // Sorted by rest. In long lists the same number of bytes has been read of every token, mostly none or a blank: one
    // bit for each of the whole vocabulary's rests then, a thirtieth of the room.
    struct Suffixes {
        static constexpr std::size_t kBitsFrom = 6000;
        std::vector<u32> packed;  // entry << 12 | bytes already read
        std::vector<u64> bits;    // instead of them
        u32 offset;               // with bits: the bytes already read
        u64 key;                  // hash of the list
        bool has_lines;
        bool operator==(const Suffixes& o) const { return packed == o.packed && bits == o.bits && offset == o.offset; }
    };
    struct Builder;
    std::string_view rest(u32 packed) const {
        const Entry& e = entries_[packed >> 12];
        return {e.text + (packed & 4095), e.size - (packed & 4095)};
    }
    SuffixId intern_suffixes(std::vector<u32>& packed);
    std::vector<u32> listed(SuffixId id);
    bool compress(Suffixes& s) const;
    void find_places();
    void remember_suffixes(SuffixId id);
    void remember_set(SetId id);
    void sort_by_rest(std::vector<u32>& packed);
    void rank_rests();
    void build(Split& split, ConfigId config, SuffixId rests);
    // All entries that a vocabulary has by itself, in the order of their texts, which lie one behind the other: a walk
    // through a list then reads memory in order.
    void set_entries(const std::vector<u32>& tokens, const std::vector<u32>& sizes, std::string text);
    u32 add_entry(std::string text, u32 token);

    Recognizer* recognizer_;
    const Vocabulary* vocabulary_;
    std::vector<Entry> entries_;
    std::vector<u32> places_;  // of an entry's rest in the whole vocabulary's list; kNone: not in it
    std::vector<u32> rank_start_, ranks_;  // place of every rest among all rests; made once, so that sorting is cheap
    std::deque<std::string> owned_text_;
    std::deque<Suffixes> suffixes_;
    Table suffix_ids_, set_ids_, split_ids_;
    std::deque<std::unique_ptr<TokenSet>> sets_;
    std::deque<std::unique_ptr<Split>> splits_;
    std::vector<u64> split_keys_;  // configuration << 32 | rests, by split
    std::deque<std::string> texts_;
    std::map<std::string, TextId> text_ids_;
    std::map<std::vector<SuffixId>, SuffixId> unions_;
    SuffixId whole_ = 0;
    u32 num_completions_ = 0;
};

}  // namespace codefusion
