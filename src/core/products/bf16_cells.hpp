// The operands of a bf16 product, cut into cells. Private to bf16_product.cpp.
//
// A float x is the sum of one or two pieces, and what is left out:
//   x = high + low + rest    high = bf16(x), low = bf16(x - high), |rest| <= 2^-16 |x| or so
// A cell is 32 steps of the depth by 32 rows of A, or 32 columns of B: two matrix registers
// (amx.hpp) for each piece, side by side. Rows, columns and steps that the operand does not have
// are zeros.
#pragma once

#include "core/vectors/amx.hpp"

#if DENSENET_AMX

#include <Eigen/Core>
#include <algorithm>

#include "core/memory/views.hpp"
#include "core/products/operands.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Rows and columns of a block of C, and the depth of a cell.
inline constexpr Index kBlockSide = 2 * amx::kLines;

// Numbers of a cell.
template <int Pieces>
inline constexpr Index kCell = Pieces * 2 * amx::kNumbers;

// A mask of the first `count` lanes: of all, or of none, if there are fewer.
inline __mmask16 first_lanes(Index count) {
  return static_cast<__mmask16>((1u << std::clamp<Index>(count, 0, 16)) - 1);
}

// The pieces of 16 numbers in the lower and of 16 in the upper half of a register.
template <int Pieces>
void split(__m512 low, __m512 high, __m512i* piece) {
  piece[0] = amx::rounded(low, high);
  if constexpr (Pieces == 2) {
    const __m512 large = amx::widened(_mm512_castsi512_si256(piece[0]));
    const __m512 larger = amx::widened(_mm512_extracti64x4_epi64(piece[0], 1));
    piece[1] = amx::rounded(_mm512_sub_ps(low, large), _mm512_sub_ps(high, larger));
  }
}

// Makes one matrix register of each piece, a cell's first or second. read(i, piece) gives line i.
template <int Pieces, bool Transposes, class Read>
void make_registers(const Read& read, amx::Bf16* to) {
  Eigen::internal::PacketBlock<Packet<float>, 16> square[Pieces];
  for (int i = 0; i < 16; ++i) {
    __m512i piece[Pieces];
    read(i, piece);
    for (int p = 0; p < Pieces; ++p) square[p].packet[i] = _mm512_castsi512_ps(piece[p]);
  }
  for (int p = 0; p < Pieces; ++p, to += 2 * amx::kNumbers) {
    if constexpr (Transposes) Eigen::internal::ptranspose(square[p]);
    for (int i = 0; i < 16; ++i) {
      _mm512_store_si512(to + i * 32, _mm512_castps_si512(square[p].packet[i]));
    }
  }
}

// Lines of memory that go along the depth: of rows of A, or of columns of B where Transposes.
template <int Pieces, bool Transposes>
void registers_along(const float* from, Index stride, Index lines, Index depth, amx::Bf16* to) {
  const __mmask16 first = first_lanes(depth), second = first_lanes(depth - 16);
  const auto read = [&](Index i, __m512i* piece) {
    const bool there = i < lines;
    const float* line = from + (there ? i : 0) * stride;
    split<Pieces>(_mm512_maskz_loadu_ps(there ? first : __mmask16{0}, line),
                  _mm512_maskz_loadu_ps(there ? second : __mmask16{0}, line + 16), piece);
  };
  make_registers<Pieces, Transposes>(read, to);
}

// Lines of memory that go across the depth: of columns of B, or of rows of A where Transposes.
template <int Pieces, bool Transposes>
void registers_across(const float* from, Index stride, Index lines, Index depth, amx::Bf16* to) {
  // Numbers i and 16 + i become a pair.
  alignas(64) static constexpr std::uint16_t kPairs[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i pairs = _mm512_load_si512(kPairs);
  const __mmask16 width = first_lanes(lines);
  const auto step = [&](Index k) {
    const bool there = k < depth;
    return _mm512_maskz_loadu_ps(there ? width : __mmask16{0}, from + (there ? k : 0) * stride);
  };
  const auto read = [&](Index i, __m512i* piece) {
    split<Pieces>(step(2 * i), step(2 * i + 1), piece);
    for (int p = 0; p < Pieces; ++p) piece[p] = _mm512_permutexvar_epi16(pairs, piece[p]);
  };
  make_registers<Pieces, Transposes>(read, to);
}

// Makes cells of up to 32 rows of A, from this one and this step of the depth on.
template <int Pieces>
void make_cell(const RowMajor<float>& a, Index row, Index rows, Index k, Index depth,
               amx::Bf16* to) {
  for (Index half = 0; half < rows; half += 16, to += amx::kNumbers) {
    registers_along<Pieces, false>(a.at(row + half, k), a.stride, rows - half, depth, to);
  }
}
template <int Pieces>
void make_cell(const Transposed<float>& a, Index row, Index rows, Index k, Index depth,
               amx::Bf16* to) {
  for (Index half = 0; half < rows; half += 16, to += amx::kNumbers) {
    registers_across<Pieces, true>(a.at(row + half, k), a.stride, rows - half, depth, to);
  }
}

// The same of columns of B.
template <int Pieces>
void make_right_cell(const RowMajor<float>& b, Index k, Index depth, Index col, Index cols,
                     amx::Bf16* to) {
  for (Index half = 0; half < cols; half += 16, to += amx::kNumbers) {
    registers_across<Pieces, false>(b.at(k, col + half), b.stride, cols - half, depth, to);
  }
}
template <int Pieces>
void make_right_cell(const Transposed<float>& b, Index k, Index depth, Index col, Index cols,
                     amx::Bf16* to) {
  for (Index half = 0; half < cols; half += 16, to += amx::kNumbers) {
    registers_along<Pieces, true>(b.at(k, col + half), b.stride, cols - half, depth, to);
  }
}

}  // namespace densenet

#endif
