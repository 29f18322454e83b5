// A way to right context that closes more than is open: what the suffix closes is opened anew.
//
//     prefix  "if x {"        suffix  "b); }  return y; } }"
//     way     "}  class a{ void a(){ { a("       close what is open, then open what is missing
//
// A candidate is a beginning of the closing and openers (texts of the language's rules) behind it, in indented blocks
// where the language has them. The suffix is read behind it, and where that stops says how good the candidate is: the
// search goes on from the candidate that was read furthest, with one opener more at any place, or one block changed.
// Where that finds nothing, one search follows for each lexeme that the suffix may go on with (a comment, a string, a
// keyword), in which also what reads less far has its turn (docs/adr/0012). Nothing is claimed that the recogniser has
// not read to the end.
#pragma once
#include <deque>
#include <set>

#include "recognizer.h"

namespace codefusion {

inline bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// How far a text was read: to the end of the last lexeme before no parse was left. What is read to its end without
// being accepted has opened too much, which no opener mends: 0.
struct Reading {
    bool is_accepted = false, is_viable = false, is_whole = false;  // is_viable: of the candidate, before the text
    std::size_t progress = 0;
    u64 parses = 0;  // those left where it stopped, as one number
    char stop = 0;   // the character that nothing could read
};

class Opening {
public:
    explicit Opening(Recognizer* recognizer) : recognizer_(recognizer) {}

    // The shortest way found; `closing` ends what is open in `threads`. Empty: none was found before `budget` bytes
    // of the suffix were read.
    std::string find(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget);
    // The same by ways that led to this suffix before: quick.
    std::string find_again(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget);

private:
    struct Block {
        std::string column;  // blanks before its header
        u32 header;
    };
    struct Opener {
        u32 number;
        std::string name;  // what it declares; empty: any name
    };
    struct Candidate {
        bool on_new_line = false;
        std::vector<Block> blocks;  // outermost first
        std::string column;         // of the line that the suffix goes on with
        std::vector<Opener> openers;  // on that line, outermost first
        std::string begun;            // behind them: what the suffix goes on with, a word, a string, a comment
        std::string text;
        Reading reading;
        bool is_judged = false;     // false: reads at least so far
        bool operator<(const Candidate& o) const {  // a max-heap, read furthest first
            if (reading.progress != o.reading.progress) return reading.progress < o.reading.progress;
            return text.size() != o.text.size() ? text.size() > o.text.size() : text > o.text;
        }
    };
    struct Search {
        const std::vector<Thread>& base;
        const std::string& suffix;
        u64& budget;
        u32 max_expansions;
        bool is_wide;      // goes on from what reads nothing, too
        bool is_fair;      // see improve
    };
    struct Known {
        std::deque<Candidate> ways;  // that led to the suffix, latest first
        bool has_failed = false;     // the last search did; the next one may read less
    };
    static constexpr std::size_t kAhead = 256;
    static void remember(Known& known, const Candidate& c);
    std::string spell(const Candidate& c) const;
    void judge(Candidate& c, const Search& search, std::size_t enough = std::string::npos - kAhead) const;
    void neighbours(const Candidate& c, const std::string& suffix, bool is_fair, std::vector<Candidate>& out) const;
    std::vector<Candidate> begun_lexemes(const Search& search) const;
    std::string find_inside(const std::vector<Thread>& threads, const std::string& closing, const std::string& suffix, u64 budget,
                            Known& known) const;
    std::string name_asked_for(const std::string& suffix, std::size_t at) const;
    static void add_block(Candidate& c, const std::string& column, u32 header);
    bool improve(Candidate& c, const Search& search) const;
    template <class Try>
    std::string shortest(const std::vector<Thread>& threads, const std::string& closing, const Try& ways) const;
    Reading read(std::vector<Thread> threads, std::string_view text, u64& budget) const;

    Recognizer* recognizer_;
    std::unordered_map<u64, Known> known_;  // by the suffix's hash: what is found is judged anyway
};

}  // namespace codefusion
