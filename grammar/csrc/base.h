// Small things every structure uses: integer names, hashing, terminal sets, an open-addressing table.
#pragma once
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace codefusion {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr u32 kNone = 0xffffffffu;
constexpr u16 kNoSymbol = 0xffffu;

// A grammar, vocabulary or artefact that cannot be used; becomes grammar.errors.NativeError in Python.
struct GrammarError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// 64-bit finaliser (splitmix64). A weaker mixer made two families of keys collide in the first prototype.
inline u64 mix64(u64 z) {
    z += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

inline u64 hash_combine(u64 h, u64 v) {
    return mix64(h ^ (v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2)));
}

inline u64 hash_text(const std::string& text) {  // FNV-1a, with the length
    u64 h = text.size();
    for (const char c : text) h = (h ^ static_cast<u8>(c)) * 0x100000001b3ull;
    return mix64(h);
}

// Four lanes, so that hashing a 19 KB mask takes about a microsecond.
inline u64 hash_words(const u64* w, std::size_t n) {
    u64 a = 1, b = 2, c = 3, d = 4;
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a = (a ^ w[i]) * 0x9e3779b97f4a7c15ull;
        b = (b ^ w[i + 1]) * 0xbf58476d1ce4e5b9ull;
        c = (c ^ w[i + 2]) * 0x94d049bb133111ebull;
        d = (d ^ w[i + 3]) * 0xd6e8feb86659fd93ull;
        a ^= a >> 31;
        b ^= b >> 29;
        c ^= c >> 30;
        d ^= d >> 32;
    }
    for (; i < n; i++) a = mix64(a ^ w[i]);
    return mix64(a ^ mix64(b ^ mix64(c ^ mix64(d))));
}

// A set of terminals and pseudo-terminals. Wide enough for every grammar we know (C++ has about 260).
struct TerminalSet {
    static constexpr int kWords = 5;
    static constexpr u32 kCapacity = kWords * 64;
    std::array<u64, kWords> words{};

    bool has(u32 t) const { return words[t >> 6] >> (t & 63) & 1; }
    void add(u32 t) { words[t >> 6] |= 1ull << (t & 63); }
    void remove(u32 t) { words[t >> 6] &= ~(1ull << (t & 63)); }
    bool meets(const TerminalSet& o) const {
        u64 any = 0;
        for (int i = 0; i < kWords; i++) any |= words[i] & o.words[i];
        return any != 0;
    }
    bool empty() const {
        u64 any = 0;
        for (u64 w : words) any |= w;
        return any == 0;
    }
    // Adds o; says whether that changed anything.
    bool unite(const TerminalSet& o) {
        u64 grown = 0;
        for (int i = 0; i < kWords; i++) {
            grown |= o.words[i] & ~words[i];
            words[i] |= o.words[i];
        }
        return grown != 0;
    }
    void subtract(const TerminalSet& o) {
        for (int i = 0; i < kWords; i++) words[i] &= ~o.words[i];
    }
    TerminalSet operator&(const TerminalSet& o) const {
        TerminalSet r;
        for (int i = 0; i < kWords; i++) r.words[i] = words[i] & o.words[i];
        return r;
    }
    bool operator==(const TerminalSet& o) const { return words == o.words; }
    u64 hash() const {
        u64 h = 7;
        for (u64 w : words) h = mix64(h ^ w);
        return h;
    }
    static TerminalSet all() {
        TerminalSet r;
        r.words.fill(~0ull);
        return r;
    }
};

// Large arrays on huge pages: evaluation reads them at random, and page walks would cost more than the reads.
template <class T>
struct HugePages {
    using value_type = T;
    HugePages() = default;
    template <class U>
    HugePages(const HugePages<U>&) {}
    static constexpr std::size_t kPage = 2 << 20;
    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        if (bytes < kPage) return static_cast<T*>(::operator new(bytes));
        const std::size_t rounded = (bytes + kPage - 1) / kPage * kPage;
        void* p = std::aligned_alloc(kPage, rounded);
        if (p == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        madvise(p, rounded, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t n) {
        if (n * sizeof(T) < kPage) ::operator delete(p);
        else std::free(p);
    }
    template <class U>
    bool operator==(const HugePages<U>&) const { return true; }
    template <class U>
    bool operator!=(const HugePages<U>&) const { return false; }
};
template <class T>
using Array = std::vector<T, HugePages<T>>;

// u64 key to u32 value, linear probing, grows at half full. Keys must not be ~0.
class Table {
public:
    explicit Table(std::size_t capacity = 1 << 8) { slots_.resize(capacity); }

    u32 get(u64 key) const {
        const u64 mask = slots_.size() - 1;
        for (u64 i = mix64(key) & mask;; i = (i + 1) & mask) {
            if (slots_[i].key == key + 1) return slots_[i].value;
            if (slots_[i].key == 0) return kNone;
        }
    }
    void put(u64 key, u32 value) {
        if (2 * count_ >= slots_.size()) grow();
        const u64 mask = slots_.size() - 1;
        u64 i = mix64(key) & mask;
        while (slots_[i].key != 0 && slots_[i].key != key + 1) i = (i + 1) & mask;
        if (slots_[i].key == 0) count_++;
        slots_[i] = {key + 1, value};
    }
    // The number of a thing among different ones: the known one for which equals(number) holds, else what add() gives.
    // `key` is the thing's hash; others with the same key are passed over.
    template <class Equals, class Add>
    u32 intern(u64 key, const Equals& equals, const Add& add) {
        for (key >>= 1;; key = mix64(key) >> 1) {
            u32 id = get(key);
            if (id != kNone && !equals(id)) continue;
            if (id == kNone) put(key, id = add());
            return id;
        }
    }
    void prefetch(u64 key) const { __builtin_prefetch(&slots_[mix64(key) & (slots_.size() - 1)]); }
    std::size_t size() const { return count_; }
    std::size_t bytes() const { return slots_.size() * sizeof(Slot); }
    void clear() {
        Array<Slot>(1 << 8).swap(slots_);
        count_ = 0;
    }
    template <class Visit>
    void for_each(const Visit& visit) const {
        for (const Slot& s : slots_)
            if (s.key != 0) visit(s.key - 1, s.value);
    }
    // Keeps the entries for which keep(key, value) is true; it may change both.
    template <class Keep>
    void rebuild(const Keep& keep) {
        Array<Slot> old(1 << 8);
        old.swap(slots_);
        count_ = 0;
        for (const Slot& s : old) {
            if (s.key == 0) continue;
            u64 key = s.key - 1;
            u32 value = s.value;
            if (keep(key, value)) put(key, value);
        }
    }

private:
    struct Slot {
        u64 key = 0;
        u32 value = 0;
    };
    void grow() {
        Array<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        const u64 mask = slots_.size() - 1;
        for (const Slot& s : old) {
            if (s.key == 0) continue;
            u64 i = mix64(s.key - 1) & mask;
            while (slots_[i].key != 0) i = (i + 1) & mask;
            slots_[i] = s;
        }
    }
    Array<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace codefusion
