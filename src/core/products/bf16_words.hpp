// How a cell of bf16 numbers (bf16_product.hpp) is read as floats. Private to this folder.
//
// A cell is 32 steps of the depth by 32 columns, in two halves of 16 columns. A line of a half
// holds two steps: a word of 32 bits for each column, whose lower 16 bits are the even step and
// whose upper ones are the odd step. A bf16 number is the upper half of a float, so a register of
// words becomes the floats of either step by a shift or a mask.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <cstring>

#include "core/products/bf16_product.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

inline constexpr Index kHalfCols = kBlockSide / 2;            // columns of a half
inline constexpr Index kWordLine = 2 * kHalfCols;             // numbers of a line
inline constexpr Index kHalf = kWordLine * (kBlockSide / 2);  // numbers of a half
static_assert(kHalfCols % kLanes<float> == 0, "registers lie within a half");

// Where a cell has the word of an even step of its own, and of a column.
constexpr Index place_in_cell(Index step, Index col) {
  return col / kHalfCols * kHalf + step / 2 * kWordLine + col % kHalfCols * 2;
}

// The words of a register of columns from `col` on, at an even step k.
inline const std::uint16_t* words_at(const Cells& cells, Index k, Index col) {
  return cells.at(col / kBlockSide, k / kBlockSide) +
         place_in_cell(k % kBlockSide, col % kBlockSide);
}
EIGEN_ALWAYS_INLINE Vec<float> load_words(const std::uint16_t* words) {
  return load(reinterpret_cast<const float*>(words), Whole{});
}

// The floats of the even and of the odd step. `upper` is upper_half().
EIGEN_ALWAYS_INLINE Vec<float> even_step(Vec<float> words) {
  using Integers = Eigen::internal::unpacket_traits<Packet<float>>::integer_packet;
  const auto bits = Eigen::internal::preinterpret<Integers>(words.packet);
  return Vec<float>(
      Eigen::internal::preinterpret<Packet<float>>(Eigen::internal::plogical_shift_left<16>(bits)));
}
EIGEN_ALWAYS_INLINE Vec<float> odd_step(Vec<float> words, float upper) {
  return bits_of_both(words, Vec<float>(upper));
}
inline float upper_half() {
  const std::uint32_t bits = 0xFFFF0000;
  float mask;
  std::memcpy(&mask, &bits, sizeof(mask));
  return mask;
}

}  // namespace densenet
