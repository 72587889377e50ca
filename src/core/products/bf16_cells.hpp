// How a block of an operand becomes a cell. Private to bf16_product.cpp.
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
#include <cstdint>

#include "core/products/bf16_product.hpp"
#include "core/products/operands.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

static_assert(kBlockSide == 2 * amx::kLines, "two registers are a side");

// Numbers of a cell's piece, in two matrix registers, and of a cell.
inline constexpr Index kCellPiece = 2 * amx::kNumbers;
template <int Pieces>
inline constexpr Index kCell = Pieces * kCellPiece;

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

// Makes the matrix registers of a cell, one or both `halves` of it for each piece. read(half, i,
// piece) gives the pieces of line i. `far`: writes past the caches, see Cells.
template <int Pieces, bool Transposes, class Read>
void make_registers(Index halves, const Read& read, amx::Bf16* to, bool far) {
  const auto put = [far](__m512i line, amx::Bf16* at) {
    far ? _mm512_stream_si512(reinterpret_cast<__m512i*>(at), line) : _mm512_store_si512(at, line);
  };
  constexpr Index kLine = amx::kNumbers / amx::kLines;
  __m512i piece[Pieces];
  if constexpr (Transposes) {
    for (Index half = 0; half < halves; ++half, to += amx::kNumbers) {
      Eigen::internal::PacketBlock<Packet<float>, amx::kLines> square[Pieces];
      for (Index i = 0; i < amx::kLines; ++i) {
        read(half, i, piece);
        for (int p = 0; p < Pieces; ++p) square[p].packet[i] = _mm512_castsi512_ps(piece[p]);
      }
      for (int p = 0; p < Pieces; ++p) {
        Eigen::internal::ptranspose(square[p]);
        for (Index i = 0; i < amx::kLines; ++i) {
          put(_mm512_castps_si512(square[p].packet[i]), to + p * kCellPiece + i * kLine);
        }
      }
    }
  } else {
    for (Index i = 0; i < amx::kLines; ++i, to += kLine) {
      for (Index half = 0; half < halves; ++half) {
        read(half, i, piece);
        for (int p = 0; p < Pieces; ++p) {
          put(piece[p], to + p * kCellPiece + half * amx::kNumbers);
        }
      }
    }
  }
}

constexpr Index halves_of(Index lines) { return (lines + amx::kLines - 1) / amx::kLines; }

// Lines of memory that go along the depth: of rows of A, or of columns of B where Transposes.
template <int Pieces, bool Transposes>
void cell_along(const float* from, Index stride, Index lines, Index depth, amx::Bf16* to,
                bool far) {
  const __mmask16 first = first_lanes(depth), second = first_lanes(depth - 16);
  const auto read = [&](Index half, Index i, __m512i* piece) {
    const Index line = half * amx::kLines + i;
    const bool there = line < lines;
    const float* at = from + (there ? line : 0) * stride;
    split<Pieces>(_mm512_maskz_loadu_ps(there ? first : __mmask16{0}, at),
                  _mm512_maskz_loadu_ps(there ? second : __mmask16{0}, at + 16), piece);
  };
  make_registers<Pieces, Transposes>(halves_of(lines), read, to, far);
}

// Lines of memory that go across the depth: of columns of B, or of rows of A where Transposes.
template <int Pieces, bool Transposes>
void cell_across(const float* from, Index stride, Index lines, Index depth, amx::Bf16* to,
                 bool far) {
  // Numbers i and 16 + i become a pair.
  alignas(64) static constexpr std::uint16_t kPairs[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i pairs = _mm512_load_si512(kPairs);
  const __mmask16 width[2] = {first_lanes(lines), first_lanes(lines - amx::kLines)};
  const auto step = [&](Index half, Index k) {
    const bool there = k < depth;
    return _mm512_maskz_loadu_ps(there ? width[half] : __mmask16{0},
                                 from + (there ? k : 0) * stride + half * amx::kLines);
  };
  const auto read = [&](Index half, Index i, __m512i* piece) {
    split<Pieces>(step(half, 2 * i), step(half, 2 * i + 1), piece);
    for (int p = 0; p < Pieces; ++p) piece[p] = _mm512_permutexvar_epi16(pairs, piece[p]);
  };
  make_registers<Pieces, Transposes>(halves_of(lines), read, to, far);
}

}  // namespace densenet

#endif
