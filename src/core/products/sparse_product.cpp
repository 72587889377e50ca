// Each number of a line of A is multiplied with a line of B, up to kMostVectors registers at a
// time, whose sums stay in registers. A tile is as many lines of C as fit into a bundle of tiles:
// finish() walks along memory.
#include "core/products/sparse_product.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "core/memory/views.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

constexpr Index kMostVectors = kBundleTiles * kTileVectors;
constexpr Index kMostWaiting = 6;  // sums of a pairwise depth, and the last one
static_assert(kMostShares < Index{1} << kMostWaiting, "one for each power of two");

// One line of C in up to kMostVectors registers. `b` begins at their first column.
template <class T>
struct LineTask {
  const SparseLines<T>& a;
  RowMajor<T> b;
  const Depth& depth;
  const ChunkEnds& ends;
  Range entries;
  T* to;
  Index step;  // from one strip of the tile to the next
};

template <class T, Index Vectors>
struct Sums {
  Vec<T> sum[Vectors];

  Sums() {
#pragma GCC unroll 8
    for (Index v = 0; v < Vectors; ++v) sum[v] = Vec<T>(T(0));
  }
  // Adds a number times a line of B, of whose last register `last` may be read.
  template <class Last>
  void add(T number, const T* line, Last last) {
    const Vec<T> left(number);
#pragma GCC unroll 8
    for (Index v = 0; v + 1 < Vectors; ++v) {
      sum[v] = multiply_add(left, load(line + v * kLanes<T>, Whole{}), sum[v]);
    }
    constexpr Index kLast = Vectors - 1;
    sum[kLast] = multiply_add(left, load(line + kLast * kLanes<T>, last), sum[kLast]);
  }
  void add_to(const Sums& before) {
#pragma GCC unroll 8
    for (Index v = 0; v < Vectors; ++v) sum[v] = before.sum[v] + sum[v];
  }
  void store_to(T* to, Index step) const {
#pragma GCC unroll 8
    for (Index v = 0; v < Vectors; ++v) {
      store(to + v / kTileVectors * step + v % kTileVectors * kLanes<T>, sum[v], Whole{});
    }
  }
};

// The sums of a line whose depth is one chunk, and of one whose depth has several.
template <class T, Index Vectors, class Last>
void line_of_chunk(const LineTask<T>& task, Last last) {
  Sums<T, Vectors> sums;
  for (Index e = task.entries.begin; e < task.entries.end; ++e) {
    sums.add(task.a.number[e], task.b.at(task.a.column[e], 0), last);
  }
  sums.store_to(task.to, task.step);
}
template <class T, Index Vectors, class Last>
void line_of_chunks(const LineTask<T>& task, Last last) {
  Sums<T, Vectors> waiting[kMostWaiting];
  ChunkEnds ends = task.ends;
  Index e = task.entries.begin, place = 0;
  for (Index chunk = 0; chunk < task.depth.count; ++chunk) {
    const Index end = ends.next(), completed = task.depth.completed(chunk);
    Sums<T, Vectors> sums;
    for (; e < task.entries.end && task.a.column[e] < end; ++e) {
      sums.add(task.a.number[e], task.b.at(task.a.column[e], 0), last);
    }
    for (Index i = 0; i < completed; ++i) sums.add_to(waiting[i]);
    place = task.depth.pairwise ? completed : 0;
    waiting[place] = sums;
  }
  waiting[place].store_to(task.to, task.step);
}

template <class T, Index Vectors, class Last>
void line_sums(const LineTask<T>& task, Last last) {
  if (task.depth.count == 1) return line_of_chunk<T, Vectors>(task, last);
  line_of_chunks<T, Vectors>(task, last);
}

// One function for each number of registers.
template <class T, class Last, std::size_t... Vectors>
constexpr auto by_vectors(std::index_sequence<Vectors...>) {
  using LineSums = void (*)(const LineTask<T>&, Last);
  return std::array<LineSums, sizeof...(Vectors)>{
      &line_sums<T, static_cast<Index>(Vectors + 1), Last>...};
}

template <class T, class Last>
void line_sums(const LineTask<T>& task, Index vectors, Last last) {
  static constexpr auto kTable =
      by_vectors<T, Last>(std::make_index_sequence<static_cast<std::size_t>(kMostVectors)>{});
  kTable[static_cast<std::size_t>(vectors - 1)](task, last);
}

}  // namespace

template <class T>
void sparse_product(const SparseLines<T>& a, const RowMajor<T>& b, const Part& part,
                    const Depth& depth, T* scratch, const Finish<T>& finish) {
  constexpr Index kMostCols = kBundleTiles * kTileCols<T>;
  const ChunkEnds ends(depth);
  const Index strips = (part.cols.size() + kTileCols<T> - 1) / kTileCols<T>;
  const Index band =
      strips > kBundleTiles ? 1 : kBundleTiles / std::max<Index>(strips, 1) * kTileRows;
  for (Index row = part.rows.begin; row < part.rows.end; row += band) {
    const Index rows = std::min(band, part.rows.end - row);
    for (Index col = part.cols.begin; col < part.cols.end; col += kMostCols) {
      const Index cols = std::min(kMostCols, part.cols.end - col);
      const Index vectors = (cols + kLanes<T> - 1) / kLanes<T>, ragged = cols % kLanes<T>;
      const Index step = rows * kTileCols<T>;
      for (Index r = 0; r < rows; ++r) {
        const LineTask<T> task{a,    {b.at(0, col), b.stride}, depth,
                               ends, a.line[row + r],          scratch + r * kTileCols<T>,
                               step};
        ragged == 0 ? line_sums(task, vectors, Whole{}) : line_sums(task, vectors, First{ragged});
      }
      finish(Tile<T>{scratch, row, col, rows, cols, step});
    }
  }
}

#define DENSENET_INSTANTIATE(T)                                                        \
  template void sparse_product(const SparseLines<T>&, const RowMajor<T>&, const Part&, \
                               const Depth&, T*, const Finish<T>&);
DENSENET_INSTANTIATE(float)
DENSENET_INSTANTIATE(double)
#undef DENSENET_INSTANTIATE

}  // namespace densenet
