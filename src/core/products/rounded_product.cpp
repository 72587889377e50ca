// Sums of few rows stay in registers over a whole chunk of the depth, as do those of
// micro_kernel.hpp, and words become floats where they are read: nothing is copied.
#include "core/products/rounded_product.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/memory/views.hpp"
#include "core/products/bf16_words.hpp"
#include "core/products/micro_kernel.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

constexpr Index kWaiting = 6;  // sums of chunks that wait, and the last one's
constexpr Index kStrips = 2;   // of a bundle, at most
constexpr Index kStrip = kRoundedRows * kTileCols<float>;  // sums of a strip
static_assert(kMostShares <= Index{1} << (kWaiting - 1), "chunks that wait");

// ---- rounding --------------------------------------------------------------------------------

std::uint16_t rounded(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const std::uint32_t size = bits & 0x7FFFFFFF;
  if (size > 0x7F800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // a quiet NaN
  if (size < 0x00800000) return 0;
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// ---- sums ------------------------------------------------------------------------------------

// The sums of a tile that are added up: of `Rows` rows and `Vectors` registers of columns.
template <Index Rows, Index Vectors>
using Sums = Vec<float>[Rows][Vectors];

// Adds the products of one step of the depth: of an element in each row of x and the floats of the
// even or the odd step in a register of each line of words. (Always inlined: sums stay in
// registers.)
template <Index Rows, Index Vectors, class Cursor, class Step>
EIGEN_ALWAYS_INLINE void add_step(const Cursor& left, const std::uint16_t* const (&line)[Vectors],
                                  const Step& step, Sums<Rows, Vectors>& sum) {
  Vec<float> right[Vectors];
#pragma GCC unroll 4
  for (Index v = 0; v < Vectors; ++v) {
    right[v] = step(load_words(line[v]));
  }
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
    const Vec<float> same(left[r]);
#pragma GCC unroll 4
    for (Index v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(same, right[v], sum[r][v]);
  }
}

// Adds the terms of a chunk to sums that are zero. `x` begins at the tile's first row.
template <Index Rows, Index Vectors>
EIGEN_ALWAYS_INLINE void add_terms(const RowMajor<float>& x, const Cells& weight, Range terms,
                                   Index col, Sums<Rows, Vectors>& sum) {
  auto left = cursor<Rows>(RowMajor<float>{x.at(0, terms.begin), x.stride});
  const float upper = upper_half(), *mask = &upper;
  const std::uint16_t* line[Vectors];
#pragma GCC unroll 4
  for (Index v = 0; v < Vectors; ++v) {
    line[v] = words_at(weight, terms.begin, col + v * kLanes<float>);
  }
  for (Index k = terms.begin; k < terms.end;) {
    const Index steps = std::min(kBlockSide - k % kBlockSide, terms.end - k);
    k += steps;
    for (Index pairs = steps / 2; pairs > 0; --pairs) {
      add_step<Rows, Vectors>(left, line, even_step, sum);
      left.next();
#if defined(__GNUC__)
      // Reads words and mask again: else the compiler keeps them, in registers that the sums need.
      __asm__("" : "+r"(mask));
#pragma GCC unroll 4
      for (Index v = 0; v < Vectors; ++v) __asm__("" : "+r"(line[v]));
#endif
      add_step<Rows, Vectors>(
          left, line, [mask](Vec<float> words) { return odd_step(words, *mask); }, sum);
      left.next();
#pragma GCC unroll 4
      for (Index v = 0; v < Vectors; ++v) {
        prefetch(line[v] + kRoundedAhead);
        line[v] += kWordLine;
      }
    }
    if (steps % 2 == 1) add_step<Rows, Vectors>(left, line, even_step, sum);  // the last of all
#pragma GCC unroll 4
    for (Index v = 0; v < Vectors; ++v) line[v] += kHalf;  // past the other half of the cell
  }
}

// Computes the sums of a tile of `Rows` rows over all chunks of the depth, into `to`: strips beside
// each other, kStrip apart. What follows `to` holds the sums that wait.
template <Index Rows, Index Vectors>
void tile_sums(const RowMajor<float>& x, const Cells& weight, Index col, const Depth& depth,
               float* to) {
  constexpr Index kLevel = kStrips * kStrip;
  Index waiting = 0;
  for (Index i = depth.chunks.begin; i < depth.chunks.end; ++i) {
    Sums<Rows, Vectors> sum;
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (Index v = 0; v < Vectors; ++v) sum[r][v] = Vec<float>(0.0f);
    }
    add_terms<Rows, Vectors>(x, weight, depth[i], col, sum);
    const auto each = [&](float* level, const auto& body) {
#pragma GCC unroll 16
      for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (Index v = 0; v < Vectors; ++v) {
          body(level + v / kTileVectors * kStrip + r * kTileCols<float> +
                   v % kTileVectors * kLanes<float>,
               sum[r][v]);
        }
      }
    };
    for (Index n = depth.completed(i - depth.chunks.begin); n > 0; --n) {
      each(to + --waiting * kLevel,
           [](const float* at, Vec<float>& its) { its = load(at, Whole{}) + its; });
    }
    each(to + waiting++ * kLevel, [](float* at, Vec<float> its) { store(at, its, Whole{}); });
  }
}

// ---- the loops -------------------------------------------------------------------------------

using TileSums = void (*)(const RowMajor<float>&, const Cells&, Index, const Depth&, float*);

// One function for each height of a tile.
template <Index Vectors, std::size_t... Heights>
constexpr auto by_height(std::index_sequence<Heights...>) {
  return std::array<TileSums, sizeof...(Heights)>{
      &tile_sums<static_cast<Index>(Heights + 1), Vectors>...};
}

// Rows of which two strips are taken together: so many that their sums, and the words of two
// strips, stay in registers.
constexpr Index kWideRows = (kRoundedRows - 2) / kStrips;

TileSums sums_of(Index rows, bool wide) {
  static constexpr auto kOne =
      by_height<kTileVectors>(std::make_index_sequence<std::size_t{kRoundedRows}>{});
  static constexpr auto kTwo =
      by_height<kStrips * kTileVectors>(std::make_index_sequence<std::size_t{kWideRows}>{});
  return wide ? kTwo[static_cast<std::size_t>(rows - 1)] : kOne[static_cast<std::size_t>(rows - 1)];
}

}  // namespace

void round_weight(const Matrix<const float>& weight, const Cells& cells) {
  for (Index col = 0; col < weight.cols; col += kBlockSide) {
    const Index cols = std::min(kBlockSide, weight.cols - col);
    for (Index step = 0; step < weight.rows; step += kBlockSide) {
      const Index steps = std::min(kBlockSide, weight.rows - step);
      std::uint16_t* const cell = cells.at(col / kBlockSide, step / kBlockSide);
      std::fill_n(cell, kBlockSide * kBlockSide, std::uint16_t{0});
      for (Index k = 0; k < steps; k += 2) {
        const float* const first = weight.row(step + k) + col;
        const float* const second = k + 1 < steps ? weight.row(step + k + 1) + col : nullptr;
        for (Index c = 0; c < cols; ++c) {
          const std::uint32_t upper = second != nullptr ? rounded(second[c]) : 0;
          const std::uint32_t word = upper << 16 | rounded(first[c]);
          std::memcpy(cell + place_in_cell(k, c), &word, sizeof(word));
        }
      }
    }
  }
}

void rounded_product(const RowMajor<float>& x, const Cells& weight, const Part& part,
                     const Depth& depth, const Finish<float>& finish) {
  const auto [rows, cols] = part;
  if (rows.size() == 0 || cols.size() == 0) return;
  alignas(64) float sums[kWaiting * kStrips * kStrip];
  const EvenSplit tiles(rows.size(), kRoundedRows);
  Index width = 0;
  for (Index col = cols.begin; col < cols.end; col += width) {
    const bool wide =
        tiles.size + (tiles.larger > 0) <= kWideRows && cols.end - col > kTileCols<float>;
    width = (wide ? kStrips : 1) * kTileCols<float>;
    for (Index t = 0; t < tiles.count; ++t) {
      const Index row = rows.begin + tiles.begin(t), height = tiles[t].size();
      sums_of(height, wide)({x.at(row, 0), x.stride}, weight, col, depth, sums);
      finish(Tile<float>{sums, row, col, height, std::min(width, cols.end - col), kStrip});
    }
  }
}

}  // namespace densenet
