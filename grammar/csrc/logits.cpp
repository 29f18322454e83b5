#include "logits.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

// Vectors wider than the machine's are passed between functions that are all inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header has "undefined" registers on purpose, which it warns of with sanitizers (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#define CODEFUSION_INLINE inline __attribute__((always_inline))

namespace codefusion {

namespace {

// What is read twice, once for the largest and once to lay the mask, stays near the processor in between.
constexpr std::size_t kBlockWords = 256;

// Floats as integers that order alike: negative ones have the other bits turned round.
template <class Int>
CODEFUSION_INLINE Int order(Int bits) {
    constexpr Int kOthers = static_cast<Int>(static_cast<std::make_unsigned_t<Int>>(-1) >> 1);
    return static_cast<Int>(bits ^ ((bits >> (8 * sizeof(Int) - 1)) & kOthers));
}

CODEFUSION_INLINE bool allows(const u32* mask, std::size_t j) {
    return mask[j / 32] >> (j % 32) & 1;
}

template <class Int>
struct Largest {
    Int allowed = std::numeric_limits<Int>::min(), denied = std::numeric_limits<Int>::min();

    CODEFUSION_INLINE void see(Int key, bool is_allowed) {
        (is_allowed ? allowed : denied) = std::max(is_allowed ? allowed : denied, key);
    }
};

// ---- any machine: vectors of some bytes, and as many bits of the mask

template <class Int, int kBytes>
struct Vectors {
    using Number = Int;
    static constexpr int kCount = kBytes / sizeof(Int), kInWord = 32 / kCount;
    static constexpr Int kLowest = std::numeric_limits<Int>::min();
    typedef Int Vector __attribute__((vector_size(kBytes)));
    static_assert(kCount <= static_cast<int>(8 * sizeof(Int)));

    static CODEFUSION_INLINE Vector splat(Int x) { return x - Vector{}; }
    static CODEFUSION_INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }
    static CODEFUSION_INLINE Vector either(Vector which, Vector a, Vector b) { return (a & which) | (b & ~which); }
    // Of vector k of a word of the mask.
    static CODEFUSION_INLINE Vector is_allowed(u32 word, int k) {
        return (splat(static_cast<Int>(word >> (k * kCount) & ((1u << kCount) - 1))) & bits()) != 0;
    }
    static CODEFUSION_INLINE Vector bits() {
        Vector v{};
        for (int i = 0; i < kCount; i++) v[i] = static_cast<Int>(1 << i);
        return v;
    }
    static CODEFUSION_INLINE Vector load(const Int* p) {
        Vector v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static CODEFUSION_INLINE void store(Int* p, Vector v) { std::memcpy(p, &v, sizeof v); }
    static CODEFUSION_INLINE Vector ordered(Vector v) {
        return v ^ ((v >> (8 * static_cast<int>(sizeof(Int)) - 1)) & splat(std::numeric_limits<Int>::max()));
    }
    static CODEFUSION_INLINE Int most(Vector v) {
        Int x = v[0];
        for (int i = 1; i < kCount; i++) x = std::max<Int>(x, v[i]);
        return x;
    }

    static CODEFUSION_INLINE Largest<Int> largest(const Int* logits, const u32* mask, std::size_t num_words) {
        Vector allowed = splat(kLowest), denied = allowed;
        for (std::size_t i = 0; i < num_words; i++)
            for (int k = 0; k < kInWord; k++) {
                const Vector keys = ordered(load(logits + 32 * i + k * kCount));
                if (mask[i] == 0) {
                    denied = larger(denied, keys);
                } else if (mask[i] == 0xffffffffu) {
                    allowed = larger(allowed, keys);
                } else {
                    const Vector which = is_allowed(mask[i], k);
                    allowed = larger(allowed, either(which, keys, splat(kLowest)));
                    denied = larger(denied, either(which, splat(kLowest), keys));
                }
            }
        return {most(allowed), most(denied)};
    }
    static CODEFUSION_INLINE void lay(Int* logits, const u32* mask, std::size_t num_words, Int minus_infinity) {
        const Vector low = splat(minus_infinity);
        for (std::size_t i = 0; i < num_words; i++)
            for (int k = 0; mask[i] != 0xffffffffu && k < kInWord; k++) {
                Int* p = logits + 32 * i + k * kCount;
                store(p, mask[i] == 0 ? low : either(is_allowed(mask[i], k), load(p), low));
            }
    }
};

// ---- AVX-512: a word of the mask is a mask of the processor

#if defined(__x86_64__)
#define CODEFUSION_AVX512 __attribute__((target("avx512f,avx512bw")))

struct Avx512Halves {
    using Number = std::int16_t;

    CODEFUSION_AVX512 static Largest<Number> largest(const Number* logits, const u32* mask, std::size_t num_words) {
        const __m512i others = _mm512_set1_epi16(0x7fff);
        __m512i allowed = _mm512_set1_epi16(std::numeric_limits<Number>::min()), denied = allowed;
        for (std::size_t i = 0; i < num_words; i++) {
            const __m512i v = _mm512_loadu_si512(logits + 32 * i);
            const __m512i keys = _mm512_xor_si512(v, _mm512_and_si512(_mm512_srai_epi16(v, 15), others));
            allowed = _mm512_mask_max_epi16(allowed, mask[i], allowed, keys);
            denied = _mm512_mask_max_epi16(denied, ~mask[i], denied, keys);
        }
        return {most(allowed), most(denied)};
    }
    CODEFUSION_AVX512 static Number most(__m512i v) {
        Number numbers[32], x = std::numeric_limits<Number>::min();
        _mm512_storeu_si512(numbers, v);
        for (const Number n : numbers) x = std::max(x, n);
        return x;
    }
    CODEFUSION_AVX512 static void lay(Number* logits, const u32* mask, std::size_t num_words, Number minus_infinity) {
        const __m512i low = _mm512_set1_epi16(minus_infinity);
        for (std::size_t i = 0; i < num_words; i++)
            if (mask[i] != 0xffffffffu) _mm512_mask_storeu_epi16(logits + 32 * i, ~mask[i], low);
    }
};

struct Avx512Words {
    using Number = std::int32_t;

    CODEFUSION_AVX512 static Largest<Number> largest(const Number* logits, const u32* mask, std::size_t num_words) {
        const __m512i others = _mm512_set1_epi32(0x7fffffff);
        __m512i allowed = _mm512_set1_epi32(std::numeric_limits<Number>::min()), denied = allowed;
        for (std::size_t i = 0; i < 2 * num_words; i++) {
            const __mmask16 which = half(mask, i);
            const __m512i v = _mm512_loadu_si512(logits + 16 * i);
            const __m512i keys = _mm512_xor_si512(v, _mm512_and_si512(_mm512_srai_epi32(v, 31), others));
            allowed = _mm512_mask_max_epi32(allowed, which, allowed, keys);
            denied = _mm512_mask_max_epi32(denied, static_cast<__mmask16>(~which), denied, keys);
        }
        return {_mm512_reduce_max_epi32(allowed), _mm512_reduce_max_epi32(denied)};
    }
    CODEFUSION_AVX512 static void lay(Number* logits, const u32* mask, std::size_t num_words, Number minus_infinity) {
        const __m512i low = _mm512_set1_epi32(minus_infinity);
        for (std::size_t i = 0; i < 2 * num_words; i++)
            _mm512_mask_storeu_epi32(logits + 16 * i, static_cast<__mmask16>(~half(mask, i)), low);
    }
    static __mmask16 half(const u32* mask, std::size_t i) {
        return static_cast<__mmask16>(mask[i / 2] >> (16 * (i % 2)));
    }
};
#endif

// ---- a row, by one of these

template <class Way, class Int = typename Way::Number>
CODEFUSION_INLINE bool mask_row(void* row, const u32* mask, std::size_t width, Int minus_infinity) {
    constexpr std::size_t kBlock = 32 * kBlockWords;
    Int* logits = static_cast<Int*>(row);
    Largest<Int> best;
    // Blocks that hold the largest first. The denied one is kept as it was: the mask is laid over it.
    std::size_t allowed_in = width, denied_in = width;
    Int kept[kBlock];
    for (std::size_t begin = 0; begin < width; begin += kBlock) {
        const std::size_t end = std::min(width, begin + kBlock), words = (end - begin) / 32;
        const u32* part = mask + begin / 32;
        Largest<Int> here = Way::largest(logits + begin, part, words);
        for (std::size_t j = begin + 32 * words; j < end; j++) here.see(order(logits[j]), allows(mask, j));
        if (here.allowed > best.allowed) {
            best.allowed = here.allowed;
            allowed_in = begin;
        }
        if (here.denied > best.denied) {
            best.denied = here.denied;
            denied_in = begin;
            std::memcpy(kept, logits + begin, (end - begin) * sizeof(Int));
        }
        Way::lay(logits + begin, part, words, minus_infinity);
        for (std::size_t j = begin + 32 * words; j < end; j++)
            if (!allows(mask, j)) logits[j] = minus_infinity;
    }
    if (best.denied != best.allowed || denied_in != allowed_in)
        return best.denied > best.allowed || (best.denied == best.allowed && denied_in < allowed_in);
    for (std::size_t j = denied_in; j < std::min(width, denied_in + kBlock); j++)
        if (order(allows(mask, j) ? logits[j] : kept[j - denied_in]) == best.denied) return !allows(mask, j);
    return false;
}

#if defined(__x86_64__)
template <class Int>
__attribute__((target("avx2"))) bool mask_row_avx2(void* row, const u32* mask, std::size_t width, Int minus_infinity) {
    return mask_row<Vectors<Int, 32>>(row, mask, width, minus_infinity);
}
#endif

template <class Int>
bool mask_row_by(Simd simd, void* row, const u32* mask, std::size_t width, Int minus_infinity) {
#if defined(__x86_64__)
    using Avx512 = std::conditional_t<sizeof(Int) == 2, Avx512Halves, Avx512Words>;
    if (simd == Simd::kAvx512) return mask_row<Avx512>(row, mask, width, minus_infinity);
    if (simd == Simd::kAvx2) return mask_row_avx2<Int>(row, mask, width, minus_infinity);
#endif
    static_cast<void>(simd);
    return mask_row<Vectors<Int, 16>>(row, mask, width, minus_infinity);
}

}  // namespace

const char* simd_name(Simd simd) {
    return simd == Simd::kAvx512 ? "avx512" : simd == Simd::kAvx2 ? "avx2" : "baseline";
}

std::vector<Simd> simd_here() {
    std::vector<Simd> found{Simd::kBaseline};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) found.push_back(Simd::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) found.push_back(Simd::kAvx512);
#endif
    return found;
}

bool mask_logits(LogitType type, void* logits, const u32* mask, std::size_t width, Simd simd) {
    switch (type) {
        case LogitType::kBfloat16: return mask_row_by(simd, logits, mask, width, static_cast<std::int16_t>(0xff80));
        case LogitType::kFloat16: return mask_row_by(simd, logits, mask, width, static_cast<std::int16_t>(0xfc00));
        case LogitType::kFloat32: return mask_row_by(simd, logits, mask, width, static_cast<std::int32_t>(0xff800000));
    }
    throw GrammarError("expected logits of a known type");
}

}  // namespace codefusion
