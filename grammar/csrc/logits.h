// Laying a bitmask over logits in main memory, and finding what it takes away while a row is at hand.
#pragma once
#include <vector>

#include "base.h"

namespace codefusion {

enum class LogitType { kBfloat16, kFloat16, kFloat32 };

// Ways to do the same; a processor may lack the wider ones.
enum class Simd { kBaseline, kAvx2, kAvx512 };

const char* simd_name(Simd simd);

// Those that this processor has, the fastest last.
std::vector<Simd> simd_here();

// Sets logits[0, width) to minus infinity where bit j of the mask is 0. Gives whether the largest of them, the first
// among equals, was one of those. Numbers are ordered by their bits, so a NaN lies beyond the infinity of its sign.
bool mask_logits(LogitType type, void* logits, const u32* mask, std::size_t width, Simd simd);

}  // namespace codefusion
