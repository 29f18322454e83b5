#include "target.h"

#include <dlfcn.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "serialize.h"

// A module's definition comes back as the module, a capsule as what it holds.
#define STAND_IN extern "C" __attribute__((visibility("default"), used))
STAND_IN void* PyModuleDef_Init(void* definition) { return definition; }
STAND_IN void* PyModule_Create2(void* definition, int) { return definition; }
STAND_IN void* PyCapsule_New(void* pointer, const char*, void*) { return pointer; }

namespace codefusion::fuzz {
namespace {

constexpr u32 kNumRandomWords = 0;  // the lexers were checked when Python loaded the language

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "fuzz target: %s\n", why.c_str());
    std::exit(1);
}

std::string read_file() {
    const char* path = std::getenv("CODEFUSION_FUZZ_TARGET");
    if (path == nullptr) fail("expected CODEFUSION_FUZZ_TARGET=FILE, written by scripts/native_fuzz.py");
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(std::string("cannot read ") + path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Wheels hide the function that gives the grammar behind a Python module, whose methods are listed in its definition.
// This is that definition's layout in Python's stable ABI; the three functions above stand in for Python.
struct Method {
    const char* name;
    void* (*call)(void* self, void* arguments);
    int flags;
    const char* doc;
};
struct ModuleDefinition {
    void* head[5];
    const char *name, *doc;
    std::ptrdiff_t size;
    const Method* methods;
};

const ts::Language* open_grammar(const std::string& library, const std::string& function) {
    void* handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr) fail(dlerror());
    void* init = dlsym(handle, "PyInit__binding");
    if (init == nullptr) fail(library + " is not the module of a grammar wheel");
    const auto* module = reinterpret_cast<const ModuleDefinition* (*)()>(init)();
    for (const Method* m = module->methods; m != nullptr && m->name != nullptr; m++)
        if (m->name == function) return static_cast<const ts::Language*>(m->call(nullptr, nullptr));
    fail(library + " has no function '" + function + "'");
}

template <class T>
std::vector<T> array_of(Reader& r) {
    std::vector<T> v;
    r.array(v);
    return v;
}

StackRule stack_rule_of(Reader& r) {
    StackRule rule;
    rule.name = r.text();
    rule.num_states = r.value<u32>();
    rule.shift = array_of<u16>(r);
    for (u64 n = r.value<u64>(); n > 0; n--) {
        const auto symbol = r.value<u32>();
        rule.reduce[symbol] = array_of<u16>(r);
    }
    rule.settle = array_of<u16>(r);
    rule.lex_flags = array_of<u32>(r);
    rule.merged = array_of<u16>(r);
    rule.tops = array_of<u16>(r);
    return rule;
}

LexemeFilter lexeme_filter_of(Reader& r) {
    LexemeFilter filter;
    filter.terminals = array_of<u16>(r);
    filter.num_states = r.value<u32>();
    filter.next = array_of<u8>(r);
    filter.accepting = array_of<u8>(r);
    filter.commit = array_of<u8>(r);
    filter.variants = array_of<u16>(r);
    return filter;
}

RuleTables rule_tables_of(Reader& r) {
    RuleTables t;
    t.pseudo_base = array_of<u16>(r);
    t.reserved = array_of<u16>(r);
    t.unreserved = array_of<u16>(r);
    t.word_places = array_of<u16>(r);
    t.word_marks = array_of<u16>(r);
    t.blanks = r.text();
    for (auto* texts : {&t.endings, &t.openers, &t.block_openers})
        for (u64 n = r.value<u64>(); n > 0; n--) texts->push_back(r.text());
    for (u64 n = r.value<u64>(); n > 0; n--) t.character_sets.push_back(array_of<u32>(r));
    t.glued = array_of<u16>(r);
    t.line_comments = array_of<u16>(r);
    t.line_ends = array_of<u16>(r);
    t.in_line_flag = r.value<u32>();
    t.named = r.value<u16>();
    t.own = r.value<u16>();
    t.naming_flag = r.value<u32>();
    t.own_ends = r.text();
    for (u64 n = r.value<u64>(); n > 0; n--) t.rules.push_back(stack_rule_of(r));
    for (u64 n = r.value<u64>(); n > 0; n--) t.filters.push_back(lexeme_filter_of(r));
    return t;
}

// The stop id comes last and has no text.
std::shared_ptr<const Vocabulary> vocabulary_of(Reader& r) {
    std::vector<std::optional<std::string>> tokens;
    for (u64 n = r.value<u64>(); n > 0; n--) tokens.emplace_back(r.text());
    const auto stop = static_cast<u32>(tokens.size());
    tokens.emplace_back();
    const u32 width = stop + 3;  // logits rows are wider than tokenizers
    return std::make_shared<Vocabulary>(std::move(tokens), std::vector<u32>{stop}, width);
}

Target read_target() {
    const std::string bytes = read_file();
    try {
        Reader r(bytes.data(), bytes.size());
        const std::string library = r.text(), function = r.text(), scanner = r.text();
        RuleTables rules = rule_tables_of(r);
        Target t;
        t.language = std::make_shared<Language>(open_grammar(library, function), std::move(rules), scanner, kNumRandomWords);
        t.vocabulary = vocabulary_of(r);
        if (!r.done()) fail("the file is longer than expected");
        return t;
    } catch (const GrammarError& e) {
        fail(e.what());
    }
}

}  // namespace

const Target& target() {
    static const Target t = read_target();
    return t;
}

void check(bool holds, const char* law) {
    if (holds) return;
    std::fprintf(stderr, "broken law: %s\n", law);
    std::abort();
}

}  // namespace codefusion::fuzz
