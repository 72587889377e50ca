// The three products of a dense layer, with what follows them.
//
//   forward           y  = x W        rows: batch,  columns: outputs, depth: inputs
//   input gradient    dx = dy Wᵀ      rows: batch,  columns: inputs,  depth: outputs
//   weight gradient   dW = xᵀ dy      rows: inputs, columns: outputs, depth: batch
//
// (W is stored (inputs, outputs); the public weight is its transpose.) All three are one loop:
// C[i, j] = Σ_k A[i, k] B[k, j], where B's rows are contiguous and a vector register runs along j.
// A tile keeps kTileRows x 2 registers of C, and each step in k loads two registers of B and
// broadcasts one element of A for each row.
//
// An output is the sum of its products in order of k, in chunks of at most kChunk terms that are
// added up in order. How many there are depends on the layer's shape alone: tile height, packing,
// position and thread are free to change for speed without changing a bit.
//
// A finished tile is handed over in a small buffer, hot in the cache, and `finish` does the rest in
// one pass: bias and activation, an activation's derivative, an optimizer's update.
//
// Around the tiles, A is taken in blocks of rows and B in strips of columns, so that a strip comes
// from the second-level cache for all tiles of a block. Operands are read where they lie, lines
// that no processor foresees fetched some steps ahead, and copied only where that pays:
//   B, strip by strip   its lines side by side, just before they are used; always, if transposed
//   A, tile by tile     where many strips will read it, or its rows evict each other
// While a tile is computed, what the update will touch is fetched, too, what is copied next, and
// the rows of A that the first strip meets next.
//
// Measured on one core (peak 152 GFLOP/s): 112 tiles of a transposed A, 128 deep, of stride 784,
// took 127 us in place, 95 with lines fetched ahead and 103 copied first; B in place with 256
// columns gave 61 GFLOP/s, 92 with lines fetched ahead and 97 from a copy that was there already;
// fetching what the update touches brought a step of 784-1024-1024-10 from 20.4 to 17.7 ms. With a
// peak of 118 GFLOP/s, fetching what is copied next brought 3072-128-10 from 2.24 to 2.15 ms, and
// to 2.04 where that is rows of x, too; four strips read its transposed x, of lines 12 KB apart,
// in 3 % less where it lies than from a copy; what is touched comes late, 3 % better than first.
// On two threads, 3072-512-10 with a batch of 32 takes 1.3 ms and not 1.6, since all that an update
// touches is fetched, however short the sums; 2048-2048-10 takes 4.0 and not 5.3, since tiles that
// are finished together lie beside each other (1024-1024-10, near: 0.98 and 0.87 below each other).
// With AVX2, on one core of Zen 3 (peak 104), a tile of 6 x 16 and its update of weights, four
// tiles of one call and rows fetched by fours: 784 x 128, 128 deep, 322 ns and not 388; 518 x 256,
// 64 deep, 184 and 219; 3072 x 128, 331 and 402; its transposed A copied along the lines of memory
// 5 to 7 %.
//
// Rejected: transposing row-major tiles while they are copied, so that both kinds of A are read
// alike (10 % of a product of 128 columns); copies of all weights that the update refreshes and all
// threads read (3 % of a step of 784-1024-1024-10: they push moments out of the cache); keeping the
// sums of a whole block for one longer `finish` (12 % of 392 x 128 x 128); fetching the next tile
// of an A in place, a line at each step (2 %: an instruction more); fetching for writing (no gain);
// fetching what the next update touches during an update, and not during a tile (784-16-16-10 with
// a batch of 1 on two threads: 6.7 us, 5.3 so; 784-1024-1024-10: 2 %); with AVX-512, copying four
// tiles or strips at a time, along the lines of memory (1.5 % of 3072-2048-2048-10); with AVX2,
// chunks of 256, 384 or 512 for 1024, so that a strip stays in the first-level cache (no gain), and
// rows 12 KB apart where they lie (no gain).
#pragma once

#include <algorithm>

#include "core/memory/views.hpp"

namespace densenet {

// 14 x 2 accumulators, 2 registers of B and 1 broadcast fill 31 of AVX-512's or NEON's 32
// registers; 6 x 2 fill 15 of 16.
inline constexpr bool kManyRegisters = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
inline constexpr Index kTileRows = kManyRegisters ? 14 : 6;
inline constexpr Index kTileVectors = 2;
inline constexpr Index kChunk = 1024;

// Tiles that are finished together where they are small, or where that takes as long as their sums:
// the last roots and quotients of an update would be waited for at every tile.
inline constexpr Index kGroup = 4;

template <class T>
inline constexpr Index kTileCols = kTileVectors * kLanes<T>;

// The terms of a sum, in chunks as even as they can be. Chunks are added up in order; or pairwise,
// as ((0 + 1) + (2 + 3)) + ..., if their number is a power of two: then threads can share them.
struct Depth {
  Index size, count;
  bool pairwise = false;
  Range chunks{0, count};  // those of them that are computed

  Depth(Index n) : Depth(n, (n + kChunk - 1) / kChunk, false) {}
  Depth(Index n, Index number_of_chunks, bool in_pairs)
      : size(n), count(number_of_chunks), pairwise(in_pairs) {}

  Range operator[](Index chunk) const { return {begin(chunk), begin(chunk + 1)}; }
  Range terms() const { return {begin(chunks.begin), begin(chunks.end)}; }

  // Sums of chunks before that are complete with this one, and those that wait at most.
  Index completed(Index chunk) const {
    if (!pairwise) return chunk > 0 ? 1 : 0;
    Index ones = 0;
    for (; chunk % 2 == 1; chunk /= 2) ++ones;
    return ones;
  }
  Index waiting() const { return completed(count - 1); }

 private:
  static constexpr Index kGrain = 8;
  Index begin(Index chunk) const {
    return std::min(size, (size + kGrain - 1) / kGrain * chunk / count * kGrain);
  }
};

// Adds up sums of chunks as ((0 + 1) + (2 + 3)) + ... They are a power of two, and overwritten.
template <class T>
Vec<T> add_pairwise(Vec<T>* sums, Index count) {
  for (Index step = 1; step < count; step *= 2) {
    for (Index i = 0; i < count; i += 2 * step) sums[i] = sums[i] + sums[i + step];
  }
  return sums[0];
}

// The sums of a layer's forward product. Where they are long and few they have more chunks than
// they need, for threads to share; but not so many that the sums that wait take memory.
inline constexpr Index kMostShares = 32;
inline Depth forward_depth(Index inputs, Index outputs) {
  Index shares = inputs >= 2 * outputs ? 8 : 1;
  while (shares > 2 && inputs < 128 * shares) shares /= 2;
  if (inputs < 128) shares = 1;
  while (shares > 1 && inputs > kChunk * shares) shares *= 2;
  return shares > 1 && shares <= kMostShares ? Depth(inputs, shares, true) : Depth(inputs);
}

// A or B: the lines of memory are its rows, or its columns (the transpose of a row-major matrix).
template <class T>
struct RowMajor {
  const T* data;
  Index stride;
  const T* at(Index i, Index j) const { return data + i * stride + j; }
};
template <class T>
struct Transposed {
  const T* data;
  Index stride;
  const T* at(Index i, Index j) const { return data + j * stride + i; }
};

template <class T>
inline constexpr Index kTileSize = kTileRows * kTileCols<T>;

// Finished tiles: one, or some below each other, or some beside each other. The sum that belongs
// to C[row + r, col + strip * kTileCols + c] is line(r, strip)[c].
template <class T>
struct Tile {
  const T* sums;
  Index row, col, rows, cols;

  const T* line(Index r, Index strip = 0) const {
    return sums + strip * kTileSize<T> + r * kTileCols<T>;
  }
  Tile part(Index strip, Index end) const {  // of its columns
    const Index begin = strip * kTileCols<T>;
    return {line(0, strip), row, col + begin, rows, end - begin};
  }
};

// Calls body(row, column, sum, lanes) on each register of a tile. There is a function of its own
// for tiles of one full strip, of some, and of part of one; it copies the body, so that what no
// store can change stays in registers.
template <class T, class Body>
EIGEN_DONT_INLINE void for_each_of_strip(const Tile<T> tile, const Body body) {
  for (Index r = 0; r < tile.rows; ++r) {
    body(tile.row + r, tile.col, load(tile.line(r), Whole{}), Whole{});
    body(tile.row + r, tile.col + kLanes<T>, load(tile.line(r) + kLanes<T>, Whole{}), Whole{});
  }
}
template <class T, class Body>
EIGEN_DONT_INLINE void for_each_of_strips(const Tile<T> tile, const Body body) {
  for (Index r = 0; r < tile.rows; ++r) {
    const T* line = tile.line(r);
    for (Index c = 0; c < tile.cols; c += kTileCols<T>, line += kTileSize<T>) {
      body(tile.row + r, tile.col + c, load(line, Whole{}), Whole{});
      body(tile.row + r, tile.col + c + kLanes<T>, load(line + kLanes<T>, Whole{}), Whole{});
    }
  }
}
template <class T, class Body>
EIGEN_DONT_INLINE void for_each_of_part(const Tile<T> tile, const Body body) {
  for (Index r = 0; r < tile.rows; ++r) {
    for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
      body(tile.row + r, tile.col + c, load(tile.line(r) + c, Whole{}), lanes);
    });
  }
}
template <class T, class Body>
void for_each_vector(const Tile<T>& tile, const Body& body) {
  const Index strips = tile.cols / kTileCols<T>;
  const Tile<T> full = tile.part(0, strips * kTileCols<T>), rest = tile.part(strips, tile.cols);
  if (strips == 1) for_each_of_strip(full, body);
  if (strips > 1) for_each_of_strips(full, body);
  if (rest.cols > 0) for_each_of_part(rest, body);
}

// What is done with each finished tile: a reference to a function object of the caller's.
template <class T>
class Finish {
 public:
  template <class F>
  Finish(const F& f)
      : object_(&f), call_([](const void* object, const Tile<T>& tile) {
          (*static_cast<const F*>(object))(tile);
        }) {}
  void operator()(const Tile<T>& tile) const { call_(object_, tile); }

 private:
  const void* object_;
  void (*call_)(const void*, const Tile<T>&);
};

// What finish() will touch, so that it can be fetched while a tile is computed: up to four arrays
// of C's shape, pointers to [0, 0].
template <class T>
struct Touched {
  const T* array[4] = {};  // null: no more
  Index stride = 0;

  Touched from(Index row, Index col) const {
    Touched part = *this;
    for (const T*& start : part.array)
      start = start != nullptr ? start + row * stride + col : start;
    return part;
  }
};

// Elements of scratch that a product of this shape may need.
template <class T>
Index product_scratch(Index rows, Index cols, const Depth& depth);

// Computes a part of C and calls finish(tile) on each tile.
template <class T>  // forward
void product(const RowMajor<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});
template <class T>  // input gradient
void product(const RowMajor<T>& a, const Transposed<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});
template <class T>  // weight gradient
void product(const Transposed<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});

// Sums value(row, column, lanes) over the rows, some registers of columns at a time, in the same
// chunks as a product. Calls finish(sum, column, lanes) on each.
template <Index Vectors, class T, class Lanes, class Value, class Finish>
void sums_below(Index rows, Index first, Lanes lanes, const Value& value, const Finish& finish) {
  Vec<T> total[Vectors];
  const Depth depth(rows);
  for (Index chunk = 0; chunk < depth.count; ++chunk) {
    const Range terms = depth[chunk];
    Vec<T> sum[Vectors];
    std::fill_n(sum, Vectors, Vec<T>(T(0)));
    for (Index i = terms.begin; i < terms.end; ++i) {
#pragma GCC unroll 4
      for (Index v = 0; v < Vectors; ++v) sum[v] = sum[v] + value(i, first + v * kLanes<T>, lanes);
    }
    for (Index v = 0; v < Vectors; ++v) total[v] = chunk == 0 ? sum[v] : total[v] + sum[v];
  }
  for (Index v = 0; v < Vectors; ++v) finish(total[v], first + v * kLanes<T>, lanes);
}
template <class T, class Value, class Finish>
void column_sums_of(Index rows, Range cols, const Value& value, const Finish& finish) {
  constexpr Index kVectors = 4, kWidth = kVectors * kLanes<T>;
  for (; cols.size() >= kWidth; cols.begin += kWidth) {
    sums_below<kVectors, T>(rows, cols.begin, Whole{}, value, finish);
  }
  for_each_vector<T>(cols.size(), [&](Index offset, auto lanes) {
    sums_below<1, T>(rows, cols.begin + offset, lanes, value, finish);
  });
}

// Sums the columns of a matrix over its rows: dbias = 1ᵀ dy.
template <class T, class Finish>
void column_sums(const Matrix<const T>& m, Range cols, const Finish& finish) {
  column_sums_of<T>(
      m.rows, cols, [&](Index row, Index col, auto lanes) { return load(m.row(row) + col, lanes); },
      finish);
}

}  // namespace densenet
