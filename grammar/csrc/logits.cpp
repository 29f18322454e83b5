#include "logits.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace codefusion {

namespace {

// Floats as integers that order alike: negative ones have the other bits turned round.
template <class Int>
inline Int order(Int bits) {
    constexpr Int kOthers = static_cast<Int>(static_cast<std::make_unsigned_t<Int>>(-1) >> 1);
    return static_cast<Int>(bits ^ ((bits >> (8 * sizeof(Int) - 1)) & kOthers));
}

// A vector of 16 bytes, which every machine has, and as many bits of the mask.
template <class Int>
struct Lanes {
    static constexpr int kCount = 16 / sizeof(Int), kInWord = 32 / kCount;
    static constexpr Int kLowest = std::numeric_limits<Int>::min();
    typedef Int Vector __attribute__((vector_size(kCount * sizeof(Int))));

    static Vector splat(Int x) { return x - Vector{}; }
    static Vector larger(Vector a, Vector b) { return a > b ? a : b; }
    static Vector either(Vector which, Vector a, Vector b) { return (a & which) | (b & ~which); }
    // Of vector k of a word of the mask.
    static Vector is_allowed(u32 word, int k) {
        return (splat(static_cast<Int>(word >> (k * kCount) & ((1u << kCount) - 1))) & bits()) != 0;
    }
    static Vector bits() {
        Vector v{};
        for (int i = 0; i < kCount; i++) v[i] = static_cast<Int>(1 << i);
        return v;
    }
    static Vector load(const Int* p) {
        Vector v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static void store(Int* p, Vector v) { std::memcpy(p, &v, sizeof v); }
    static Vector ordered(Vector v) {
        return v ^ ((v >> (8 * static_cast<int>(sizeof(Int)) - 1)) & splat(std::numeric_limits<Int>::max()));
    }
    static Int largest(Vector v) {
        Int x = v[0];
        for (int i = 1; i < kCount; i++) x = std::max<Int>(x, v[i]);
        return x;
    }
};

bool allows(const u32* mask, std::size_t j) {
    return mask[j / 32] >> (j % 32) & 1;
}

// Whether the first of the largest logits is not allowed.
template <class Int>
bool takes_largest(const Int* logits, const u32* mask, std::size_t width) {
    using L = Lanes<Int>;
    const std::size_t whole = width / 32;
    typename L::Vector all = L::splat(L::kLowest), allowed = all;
    for (std::size_t i = 0; i < whole; i++) {
        const Int* p = logits + 32 * i;
        typename L::Vector keys[L::kInWord];
        for (int k = 0; k < L::kInWord; k++) all = L::larger(all, keys[k] = L::ordered(L::load(p + k * L::kCount)));
        if (mask[i] == 0) continue;
        for (int k = 0; mask[i] == 0xffffffffu && k < L::kInWord; k++) allowed = L::larger(allowed, keys[k]);
        for (int k = 0; mask[i] != 0xffffffffu && k < L::kInWord; k++)
            allowed = L::larger(allowed, L::either(L::is_allowed(mask[i], k), keys[k], L::splat(L::kLowest)));
    }
    Int most = L::largest(all), most_allowed = L::largest(allowed);
    for (std::size_t j = 32 * whole; j < width; j++) {
        most = std::max(most, order(logits[j]));
        if (allows(mask, j)) most_allowed = std::max(most_allowed, order(logits[j]));
    }
    if (most > most_allowed) return true;
    for (std::size_t j = 0; j < width; j++)
        if (order(logits[j]) == most) return !allows(mask, j);
    return false;
}

template <class Int>
void lay(Int* logits, const u32* mask, std::size_t width, Int minus_infinity) {
    using L = Lanes<Int>;
    const typename L::Vector low = L::splat(minus_infinity);
    const std::size_t whole = width / 32;
    for (std::size_t i = 0; i < whole; i++) {
        Int* p = logits + 32 * i;
        if (mask[i] == 0xffffffffu) continue;
        if (mask[i] == 0)
            for (int k = 0; k < L::kInWord; k++) L::store(p + k * L::kCount, low);
        else
            for (int k = 0; k < L::kInWord; k++) {
                Int* q = p + k * L::kCount;
                L::store(q, L::either(L::is_allowed(mask[i], k), L::load(q), low));
            }
    }
    for (std::size_t j = 32 * whole; j < width; j++)
        if (!allows(mask, j)) logits[j] = minus_infinity;
}

template <class Int>
bool mask_row(void* logits, const u32* mask, std::size_t width, Int minus_infinity) {
    Int* row = static_cast<Int*>(logits);
    const bool is_taken = takes_largest(row, mask, width);
    lay(row, mask, width, minus_infinity);
    return is_taken;
}

}  // namespace

bool mask_logits(LogitType type, void* logits, const u32* mask, std::size_t width) {
    switch (type) {
        case LogitType::kBfloat16: return mask_row(logits, mask, width, static_cast<std::int16_t>(0xff80));
        case LogitType::kFloat16: return mask_row(logits, mask, width, static_cast<std::int16_t>(0xfc00));
        case LogitType::kFloat32: return mask_row(logits, mask, width, static_cast<std::int32_t>(0xff800000));
    }
    throw GrammarError("expected logits of a known type");
}

}  // namespace codefusion
