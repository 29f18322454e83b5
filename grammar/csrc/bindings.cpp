// Registration of the native core for Python; no logic of its own.
#include <algorithm>
#include <chrono>
#include <cstring>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <nanobind/stl/shared_ptr.h>

#include "artifact.h"
#include "logits.h"
#include "matcher.h"
#include "merging.h"

namespace nb = nanobind;
using namespace codefusion;

namespace {

std::vector<u8> bytes_of(nb::handle h) {
    const nb::bytes b = nb::cast<nb::bytes>(h);
    const auto* p = reinterpret_cast<const u8*>(b.c_str());
    return {p, p + b.size()};
}

std::vector<u16> words_of(nb::handle h) {
    const nb::bytes b = nb::cast<nb::bytes>(h);
    std::vector<u16> w(b.size() / 2);
    if (!w.empty()) std::memcpy(w.data(), b.c_str(), w.size() * 2);
    return w;
}

std::vector<std::string> texts_of(nb::handle h) {
    std::vector<std::string> texts;
    for (nb::handle item : h) {
        const auto text = bytes_of(item);
        texts.emplace_back(text.begin(), text.end());
    }
    return texts;
}

RuleTables rule_tables_of(nb::handle h) {
    RuleTables t;
    t.pseudo_base = nb::cast<std::vector<u16>>(h.attr("pseudo_base"));
    t.reserved = nb::cast<std::vector<u16>>(h.attr("reserved"));
    t.unreserved = nb::cast<std::vector<u16>>(h.attr("unreserved"));
    t.word_places = nb::cast<std::vector<u16>>(h.attr("word_places"));
    t.word_marks = nb::cast<std::vector<u16>>(h.attr("word_marks"));
    t.endings = texts_of(h.attr("endings"));
    t.openers = texts_of(h.attr("openers"));
    t.block_openers = texts_of(h.attr("block_openers"));
    t.character_sets = nb::cast<std::vector<std::vector<u32>>>(h.attr("character_sets"));
    t.glued = nb::cast<std::vector<u16>>(h.attr("glued"));
    t.line_comments = nb::cast<std::vector<u16>>(h.attr("line_comments"));
    t.line_ends = nb::cast<std::vector<u16>>(h.attr("line_ends"));
    t.in_line_flag = nb::cast<u32>(h.attr("in_line_flag"));
    t.named = nb::cast<u16>(h.attr("named"));
    t.own = nb::cast<u16>(h.attr("own"));
    t.naming_flag = nb::cast<u32>(h.attr("naming_flag"));
    const auto own_ends = bytes_of(h.attr("own_ends"));
    t.own_ends.assign(own_ends.begin(), own_ends.end());
    const auto blanks = bytes_of(h.attr("blanks"));
    t.blanks.assign(blanks.begin(), blanks.end());
    for (nb::handle r : h.attr("rules")) {
        StackRule rule;
        rule.name = nb::cast<std::string>(r.attr("name"));
        rule.num_states = nb::cast<u32>(r.attr("num_states"));
        rule.shift = words_of(r.attr("shift"));
        for (auto [symbol, table] : nb::cast<nb::dict>(r.attr("reduce"))) rule.reduce[nb::cast<u32>(symbol)] = words_of(table);
        rule.settle = words_of(r.attr("settle"));
        rule.merged = words_of(r.attr("merged"));
        rule.tops = nb::cast<std::vector<u16>>(r.attr("tops"));
        rule.lex_flags = nb::cast<std::vector<u32>>(r.attr("lex_flags"));
        t.rules.push_back(std::move(rule));
    }
    for (nb::handle f : h.attr("lexeme_filters")) {
        LexemeFilter filter;
        filter.terminals = nb::cast<std::vector<u16>>(f.attr("terminals"));
        filter.num_states = nb::cast<u32>(f.attr("num_states"));
        filter.next = bytes_of(f.attr("next"));
        filter.accepting = bytes_of(f.attr("accepting"));
        filter.commit = bytes_of(f.attr("commit"));
        filter.variants = nb::cast<std::vector<u16>>(f.attr("variants"));
        if (filter.next.size() != filter.num_states * LexemeFilter::kClasses || filter.accepting.size() != filter.num_states ||
            filter.commit.size() != filter.num_states ||
            (!filter.variants.empty() && *std::max_element(filter.accepting.begin(), filter.accepting.end()) >= filter.variants.size()))
            throw GrammarError("a lexeme filter's tables do not fit its number of states");
        t.filters.push_back(std::move(filter));
    }
    return t;
}

// Recognises one text from its start; the simplest user of the core.
class Session {
public:
    explicit Session(std::shared_ptr<const Language> language)
        : language_(std::move(language)), recognizer_(*language_), threads_(recognizer_.start()) {}
    // Reads bytes; gives how many were read before the text stopped being viable.
    std::size_t feed(const std::string& data) {
        std::vector<Thread> next;
        std::size_t at = is_new_ ? data.size() - without_mark(data).size() : 0;
        is_new_ = false;
        while (at < data.size() && !threads_.empty()) {
            const std::size_t n = std::min<std::size_t>(64, data.size() - at);
            recognizer_.advance(threads_, std::string_view(data).substr(at, n), next);
            recognizer_.keep_viable(next);
            if (next.empty()) {
                // Byte by byte, for the exact place.
                for (std::size_t i = 0; i < n; i++) {
                    recognizer_.advance(threads_, std::string_view(data).substr(at + i, 1), next);
                    recognizer_.keep_viable(next);
                    if (next.empty()) return at + i;
                    threads_.swap(next);
                }
            }
            threads_.swap(next);
            at += n;
        }
        return at;
    }
    bool can_end() { return recognizer_.can_end(threads_); }
    bool is_viable() { return !threads_.empty(); }
    std::size_t num_threads() const { return threads_.size(); }
    nb::dict statistics() const {
        nb::dict d;
        d["states"] = recognizer_.states.size();
        d["contexts"] = recognizer_.states.num_contexts();
        d["modes"] = recognizer_.states.num_modes();
        d["nodes"] = recognizer_.forest.size();
        d["configs"] = recognizer_.num_configs();
        d["valid_sets"] = recognizer_.forest.num_valid_sets();
        d["dropped_threads"] = recognizer_.dropped_threads;
        return d;
    }

private:
    std::shared_ptr<const Language> language_;
    Recognizer recognizer_;
    std::vector<Thread> threads_;
    bool is_new_ = true;
};

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);  // languages are kept until the process ends
    nb::exception<GrammarError>(m, "NativeError", PyExc_ValueError);
    m.def("read_symbols", [](nb::capsule grammar) {
        const auto* g = static_cast<const ts::Language*>(grammar.data("tree_sitter.Language"));
        std::vector<std::string> names;
        for (u32 i = 0; i < g->symbol_count; i++) names.emplace_back(g->symbol_names[i]);
        return nb::make_tuple(names, g->token_count);
    });
    m.def("merge_states", [](nb::capsule grammar, nb::handle tables) {
        const ParseTable table(static_cast<const ts::Language*>(grammar.data("tree_sitter.Language")));
        const RuleTables rules = rule_tables_of(tables);
        std::vector<nb::bytes> merged;
        for (const StackRule& rule : rules.rules) {
            const std::vector<u16> triples = merge_states(table, rules, rule);
            merged.emplace_back(reinterpret_cast<const char*>(triples.data()), triples.size() * sizeof(u16));
        }
        return merged;
    });
    nb::class_<Language>(m, "Language")
        .def("__init__",
             [](Language* self, nb::capsule grammar, nb::handle rules, const std::string& scanner, u32 verify_words) {
                 new (self) Language(static_cast<const ts::Language*>(grammar.data("tree_sitter.Language")),
                                     rule_tables_of(rules), scanner, verify_words);
             },
             nb::arg("grammar"), nb::arg("rules"), nb::arg("scanner") = "", nb::arg("verify_words") = 2000)
        .def_prop_ro("abi", [](const Language& l) { return l.table.source->abi_version; })
        .def_prop_ro("num_terminals", [](const Language& l) { return l.table.num_terminals; })
        .def_prop_ro("num_states", [](const Language& l) { return l.table.num_states; })
        .def_prop_ro("num_lexer_states", [](const Language& l) { return l.lexer.main.num_states; })
        .def("symbol_names", [](const Language& l) {
            std::vector<std::string> names;
            for (u32 i = 0; i < l.table.num_symbols; i++) names.push_back(l.table.symbol_name(i));
            return names;
        });
    m.def("mask_logits", [](const std::string& type, u64 logits, u64 row_bytes, const std::vector<u32>& rows, u64 masks,
                            u64 mask_bytes, const std::vector<u32>& mask_rows, u64 width,
                            const std::optional<std::string>& simd) {
        static const std::unordered_map<std::string, LogitType> kTypes = {
            {"bfloat16", LogitType::kBfloat16}, {"float16", LogitType::kFloat16}, {"float32", LogitType::kFloat32}};
        const auto found = kTypes.find(type);
        if (found == kTypes.end() || rows.size() != mask_rows.size())
            throw GrammarError("expected a type of logits that is known, and a row of the mask for each");
        static const std::vector<Simd> kHere = simd_here();
        const auto wanted = std::find_if(kHere.begin(), kHere.end(), [&](Simd s) { return simd == simd_name(s); });
        if (simd && wanted == kHere.end()) throw GrammarError("this processor has no " + *simd);
        const Simd way = simd ? *wanted : kHere.back();
        std::vector<bool> is_taken;
        nb::gil_scoped_release release;
        for (std::size_t i = 0; i < rows.size(); i++)
            is_taken.push_back(mask_logits(found->second, reinterpret_cast<void*>(logits + rows[i] * row_bytes),
                                           reinterpret_cast<const u32*>(masks + mask_rows[i] * mask_bytes), width,
                                           way));
        return is_taken;
    }, nb::arg("type"), nb::arg("logits"), nb::arg("row_bytes"), nb::arg("rows"), nb::arg("masks"), nb::arg("mask_bytes"),
       nb::arg("mask_rows"), nb::arg("width"), nb::arg("simd") = nb::none());
    m.def("simd_here", [] {
        std::vector<std::string> names;
        for (const Simd s : simd_here()) names.emplace_back(simd_name(s));
        return names;
    });
    nb::class_<Session>(m, "Session")
        .def("__init__", [](Session* s, std::shared_ptr<Language> l) { new (s) Session(std::move(l)); })
        .def("feed", [](Session& s, nb::bytes data) {
            const std::string text(data.c_str(), data.size());
            nb::gil_scoped_release release;
            return s.feed(text);
        })
        .def_prop_ro("can_end", &Session::can_end)
        .def_prop_ro("is_viable", &Session::is_viable)
        .def_prop_ro("num_threads", &Session::num_threads)
        .def("statistics", &Session::statistics);

    nb::class_<Vocabulary>(m, "Vocabulary")
        .def("__init__",
             [](Vocabulary* self, nb::list tokens, std::vector<u32> stop_ids, u32 width) {
                 std::vector<std::optional<std::string>> bytes;
                 bytes.reserve(tokens.size());
                 for (nb::handle t : tokens) {
                     if (t.is_none()) {
                         bytes.emplace_back();
                         continue;
                     }
                     const nb::bytes b = nb::cast<nb::bytes>(t);
                     bytes.emplace_back(std::string(b.c_str(), b.size()));
                 }
                 new (self) Vocabulary(std::move(bytes), std::move(stop_ids), width);
             },
             nb::arg("tokens"), nb::arg("stop_ids"), nb::arg("width"))
        .def_ro("width", &Vocabulary::width)
        .def_ro("stop_ids", &Vocabulary::stop_ids)
        .def_ro("fingerprint", &Vocabulary::fingerprint)
        .def("token_bytes", [](const Vocabulary& v, u32 id) -> nb::object {
            const std::string* text = v.bytes(id);
            if (text == nullptr) return nb::none();
            return nb::bytes(text->data(), text->size());
        })
        .def("tokenize", [](const Vocabulary& v, nb::bytes text) { return v.tokenize(std::string_view(text.c_str(), text.size())); });
    nb::class_<Engine>(m, "Engine")
        .def("__init__", [](Engine* e, std::shared_ptr<Language> l, std::shared_ptr<Vocabulary> v, std::size_t max_bytes) {
                 new (e) Engine(std::move(l), std::move(v), max_bytes);
             },
             nb::arg("language"), nb::arg("vocabulary"), nb::arg("max_evaluator_bytes") = Engine::kMaxEvaluatorBytes)
        .def_prop_ro("split_seconds", [](const Engine& e) { return e.splits.seconds; })
        .def("save", [](Engine& e) {
            std::string s;
            {
                nb::gil_scoped_release release;
                s = Artifact::save(e);
            }
            return nb::bytes(s.data(), s.size());
        })
        .def("load", [](Engine& e, nb::bytes data) {
            const char* p = data.c_str();
            const std::size_t n = data.size();
            nb::gil_scoped_release release;
            Artifact::load(e, p, n);
        })
        .def("anticipate", [](Engine& e, std::size_t max_bytes) {
            const std::lock_guard<std::mutex> guard(e.lock);
            e.masks.anticipate(max_bytes);
        }, nb::arg("max_evaluator_bytes"), nb::call_guard<nb::gil_scoped_release>())
        // Drops what was remembered of stacks (results per window); for measurements of the worst case.
        .def("forget_windows", [](Engine& e) {
            const std::lock_guard<std::mutex> guard(e.lock);
            e.masks.forget_stacks();
        })
        .def("statistics", [](Engine& e) {
            const std::lock_guard<std::mutex> guard(e.lock);
            nb::dict d;
            const auto s = e.masks.statistics();
            d["fills"] = s.fills, d["mask_hits"] = s.mask_hits, d["evaluations"] = s.evaluations, d["bodies"] = s.bodies;
            d["bases"] = s.bases, d["summaries"] = s.summaries, d["exits"] = s.exits, d["overflows"] = s.overflows;
            d["splits"] = e.splits.size(), d["root_splits"] = e.splits.num_roots, d["split_seconds"] = e.splits.seconds;
            d["split_bytes"] = e.splits.bytes(), d["evaluator_bytes"] = e.masks.bytes();
            d["nodes"] = e.recognizer.forest.size(), d["node_bytes"] = e.recognizer.forest.bytes();
            d["states"] = e.recognizer.states.size(), d["contexts"] = e.recognizer.states.num_contexts();
            d["modes"] = e.recognizer.states.num_modes(), d["configs"] = e.recognizer.num_configs();
            d["valid_sets"] = e.recognizer.forest.num_valid_sets(), d["collections"] = e.collections;
            d["dropped_threads"] = e.recognizer.dropped_threads, d["matchers"] = e.matchers.size();
            return d;
        });
    nb::class_<Matcher>(m, "Matcher")
        .def("__init__", [](Matcher* self, std::shared_ptr<Engine> e, nb::bytes prefix, nb::bytes suffix, u32 top) {
            std::string p(prefix.c_str(), prefix.size()), s(suffix.c_str(), suffix.size());
            nb::gil_scoped_release release;
            new (self) Matcher(std::move(e), std::move(p), std::move(s), top);
        }, nb::arg("engine"), nb::arg("prefix") = nb::bytes("", 0), nb::arg("suffix") = nb::bytes("", 0), nb::arg("top") = 0)
        .def("closing_bytes", [](Matcher& x) -> nb::object {
            Closing::Result r;
            {
                nb::gil_scoped_release release;
                r = x.closing();
            }
            return r.found ? nb::object(nb::bytes(r.bytes.data(), r.bytes.size())) : nb::none();
        })
        .def_prop_ro("min_tokens_to_end", [](Matcher& x) -> nb::object {
            std::optional<u32> n;
            {
                nb::gil_scoped_release release;
                n = x.min_tokens_to_end();
            }
            return n ? nb::object(nb::int_(*n)) : nb::none();
        })
        .def("clone", [](const Matcher& x) { return new Matcher(x); }, nb::rv_policy::take_ownership)
        .def("accept_token", &Matcher::accept_token, nb::call_guard<nb::gil_scoped_release>())
        .def("accept_bytes", [](Matcher& x, nb::bytes b) {
            const std::string s(b.c_str(), b.size());
            nb::gil_scoped_release release;
            return x.accept_bytes(s);
        })
        .def("rollback", &Matcher::rollback)
        .def("reset", &Matcher::reset)
        .def("fill_row", [](Matcher& x, const nb::ndarray<std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& row) {
            if (row.shape(0) < (x.engine()->vocabulary->width + 31) / 32)
                throw GrammarError("expected a row of at least ceil(width / 32) words");
            nb::gil_scoped_release release;
            x.fill_bitmask(row.data());
        }, nb::arg("row").noconvert())
        .def_prop_ro("can_end", &Matcher::can_end)
        .def_prop_ro("is_terminated", &Matcher::is_terminated)
        .def_prop_ro("num_accepted", &Matcher::num_accepted)
        .def_prop_ro("degraded_reason", [](const Matcher& x) -> nb::object {
            return x.degraded_reason().empty() ? nb::none() : nb::object(nb::str(x.degraded_reason().c_str()));
        })
        // Nanoseconds of mask and accept for each token of a text, and whether each was allowed; stops at a refusal.
        .def("time_tokens", [](Matcher& x, const std::vector<u32>& ids) {
            std::vector<double> fill, accept, split;
            std::vector<bool> allowed;
            std::vector<std::int32_t> row((x.engine()->vocabulary->width + 31) / 32);
            using clock = std::chrono::steady_clock;
            const auto ns = [](clock::time_point a, clock::time_point b) { return std::chrono::duration<double, std::nano>(b - a).count(); };
            for (u32 id : ids) {
                const double s0 = x.engine()->splits.seconds;
                const auto t0 = clock::now();
                x.fill_bitmask(row.data());
                const auto t1 = clock::now();
                split.push_back((x.engine()->splits.seconds - s0) * 1e9);
                allowed.push_back(static_cast<u32>(row[id >> 5]) >> (id & 31) & 1);
                const auto t2 = clock::now();
                const bool ok = x.accept_token(id);
                const auto t3 = clock::now();
                fill.push_back(ns(t0, t1));
                accept.push_back(ns(t2, t3));
                if (!ok) break;
            }
            return nb::make_tuple(fill, accept, split, allowed);
        });
}
