// The register tile, the inner loop of all three products, and the loops around it.
#include "core/gemm.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace densenet {

namespace {

// ---- the tile --------------------------------------------------------------------------------

// Walks along the depth of some rows of A. An address may have one index, times one or two: one
// pointer serves three rows.
template <class T, Index Rows>
class RowMajorCursor {
 public:
  RowMajorCursor(const RowMajor<T>& a, Index row) : stride_(a.stride) {
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) group_[g] = a.at(row + 3 * g, 0);
  }
  T operator[](Index r) const { return group_[r / 3][r % 3 * stride_]; }
  void next() {
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) ++group_[g];
  }

 private:
  static constexpr Index kGroups = (Rows + 2) / 3;
  const T* group_[kGroups];
  Index stride_;
};

template <class T, Index Rows>
class TransposedCursor {
 public:
  TransposedCursor(const Transposed<T>& a, Index row) : line_(a.at(row, 0)), stride_(a.stride) {}
  T operator[](Index r) const { return line_[r]; }
  void next() {
    line_ += stride_;
    // The lines are far apart, and no processor foresees them.
    prefetch(line_ + kAhead * stride_);
    prefetch(line_ + kAhead * stride_ + Rows - 1);
  }

 private:
  static constexpr Index kAhead = 4;
  const T* line_;
  Index stride_;
};

template <Index Rows, class T>
RowMajorCursor<T, Rows> cursor(const RowMajor<T>& a, Index row) {
  return {a, row};
}
template <Index Rows, class T>
TransposedCursor<T, Rows> cursor(const Transposed<T>& a, Index row) {
  return {a, row};
}

// A strip of B over a part of the depth, and where a tile's sums over it go.
template <class T>
struct Task {
  const T* b;
  Index line, depth;
  const T* before;  // sums over the depth before this part; null: none
  T* to;
  Touched<T> touched;  // from the tile on
};

// How far ahead lines of B are fetched, and how many steps along the depth each line takes that
// `finish` will touch.
constexpr Index kAhead = 8, kPace = 4;

template <class T, class A, Index Rows, Index Vectors, class Last>
void accumulate(const A& a, Index row, const Task<T>& task, Last last) {
  Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) sum[r][v] = Vec<T>(T(0));
  }
  auto left = cursor<Rows>(a, row);
  const T* line = task.b;
  Index left_over = task.depth;
  const auto go_down = [&](Index steps) {
    for (Index k = 0; k < steps; ++k, line += task.line, left.next()) {
      prefetch(line + kAhead * task.line);
      prefetch(line + kAhead * task.line + kTileCols<T> / 2);
      Vec<T> right[Vectors];
      if constexpr (Vectors == 2) right[0] = load(line, Whole{});
      right[Vectors - 1] = load(line + (Vectors - 1) * kLanes<T>, last);
#pragma GCC unroll 16
      for (Index r = 0; r < Rows; ++r) {
        const Vec<T> same(left[r]);
#pragma GCC unroll 2
        for (Index v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(same, right[v], sum[r][v]);
      }
    }
    left_over -= steps;
  };
  for (const T* touched : task.touched.array) {
    if (touched == nullptr) break;
    for (Index r = 0; r < Rows && left_over >= kPace; ++r, touched += task.touched.stride) {
      prefetch(touched);
      prefetch(touched + kTileCols<T> / 2);
      go_down(kPace);
    }
  }
  go_down(left_over);
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) {
      const Index at = r * kTileCols<T> + v * kLanes<T>;
      const bool first = task.before == nullptr;
      store(task.to + at, first ? sum[r][v] : load(task.before + at, Whole{}) + sum[r][v], Whole{});
    }
  }
}

template <class T, class A, class Last>
using Accumulate = void (*)(const A&, Index, const Task<T>&, Last);

// One function for each height of a tile, so that rows can be shared out evenly: 32 are 11+11+10.
template <class T, class A, class Last, Index Vectors, std::size_t... Heights>
constexpr auto by_height(std::index_sequence<Heights...>) {
  return std::array<Accumulate<T, A, Last>, sizeof...(Heights)>{
      &accumulate<T, A, static_cast<Index>(Heights + 1), Vectors, Last>...};
}

template <class T, class A, class Last>
void accumulate(const A& a, Range rows, Index cols, const Task<T>& task, Last last) {
  constexpr auto kHeights = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>{};
  static constexpr auto kOne = by_height<T, A, Last, 1>(kHeights);
  static constexpr auto kTwo = by_height<T, A, Last, 2>(kHeights);
  const auto& table = cols > kLanes<T> ? kTwo : kOne;
  table[static_cast<std::size_t>(rows.size() - 1)](a, rows.begin, task, last);
}

// The sums of up to kTileRows rows and kTileCols columns.
template <class T, class A>
void tile_sums(const A& a, Range rows, Index cols, bool padded, const Task<T>& task) {
  const Index ragged = cols % kLanes<T>;
  if (padded || ragged == 0) {
    accumulate(a, rows, cols, task, Whole{});
  } else {
    accumulate(a, rows, cols, task, First{ragged});
  }
}

// ---- packing ---------------------------------------------------------------------------------

constexpr Index round_up(Index n, Index grain) { return (n + grain - 1) / grain * grain; }

template <class T>
void copy(const T* from, T* to, Index n) {
  for_each_vector<T>(n,
                     [&](Index i, auto lanes) { store(to + i, load(from + i, lanes), Whole{}); });
}

// Copies of tiles of A. A register more than a line needs keeps lines from evicting each other.
template <class T>
constexpr Index kTransposedLine = round_up(kTileRows, kLanes<T>);

template <class T>
Index packed_stride(const RowMajor<T>&, Index depth) {
  return round_up(depth, kLanes<T>) + kLanes<T>;
}
template <class T>
Index packed_stride(const Transposed<T>&, Index) {
  return kTransposedLine<T>;
}
template <class T>
constexpr Index packed_tile_size(Index depth) {
  return kTransposedLine<T> * (round_up(depth, kLanes<T>) + kLanes<T>);
}

template <class T>
void pack_tile(const RowMajor<T>& a, Range rows, Range depth, T* to) {
  const Index stride = packed_stride(a, depth.size());
  for (Index i = rows.begin; i < rows.end; ++i, to += stride) {
    copy(a.at(i, depth.begin), to, depth.size());
  }
}
template <class T>
void pack_tile(const Transposed<T>& a, Range rows, Range depth, T* to) {
  // Whole lines where the matrix goes on beside the tile: what is too much is not read.
  const bool whole = rows.begin + kTransposedLine<T> <= a.stride;
  for (Index k = depth.begin; k + 1 < depth.end; ++k, to += kTransposedLine<T>) {
    copy(a.at(rows.begin, k), to, whole ? kTransposedLine<T> : rows.size());
  }
  copy(a.at(rows.begin, depth.end - 1), to, rows.size());
}

// Whether to copy A: lines a multiple of so many bytes apart fall on the same few places of the
// first-level cache.
template <class T>
bool worth_packing(const RowMajor<T>& a, Index strips) {
  return strips > 1 && a.stride * static_cast<Index>(sizeof(T)) % 2048 == 0;
}
template <class T>
bool worth_packing(const Transposed<T>& a, Index strips) {
  return strips > 7 || (strips > 1 && a.stride * static_cast<Index>(sizeof(T)) % 1024 == 0);
}

// Whether to copy a B that is used once: for many tiles, or where its lines are far apart.
template <class T>
bool worth_packing(const Strips<T>& b, Index tiles) {
  const bool far = b.line * static_cast<Index>(sizeof(T)) >= 2048;
  return !b.padded && tiles > (far ? 3 : 15);
}

// ---- the loops around the tile ---------------------------------------------------------------

// n items in parts that are as even as can be and no larger than `most`.
struct Parts {
  Index count, size, larger;

  Parts(Index n, Index most) : count((n + most - 1) / most), size(n / count), larger(n % count) {}
  Index begin(Index part) const { return part * size + std::min(part, larger); }
  Range operator[](Index part) const { return {begin(part), begin(part + 1)}; }
};

// Blocks: a block of A and a strip of B stay in the second-level cache together. Copies of strips
// are kept for all blocks of A, if there are several and B is one chunk deep; otherwise each is
// made just before it is used, and never leaves that cache.
constexpr Index kBlockTiles = 168 / kTileRows;
template <class T>
constexpr Index kBlockCols = 512 / kTileCols<T> * kTileCols<T>;
template <class T>
constexpr Index kTileSize = kTileRows * kTileCols<T>;

// Where product() works: the tile at hand, sums that wait for the rest of their depth, copies.
template <class T>
struct Scratch {
  Index tile_size, width;  // of a copy of A; of a block
  Index sums, a, b, end;   // offsets

  Scratch(Index rows, Index cols, Index depth) {
    const Index tiles = std::min((rows + kTileRows - 1) / kTileRows, kBlockTiles);
    const Index chunk = std::min(depth, kChunk);
    tile_size = packed_tile_size<T>(chunk);
    width = std::min(round_up(cols, kTileCols<T>), kBlockCols<T>);
    sums = kTileSize<T>;
    a = sums + (depth > kChunk ? tiles * width * kTileRows : 0);
    b = a + tiles * tile_size;
    end = b + width * chunk;
  }
};

template <class T, class A>
void compute(const A& a, const Strips<T>& b, Range rows, Range cols, Index depth, T* memory,
             const Finish<T>& finish, const Touched<T>& touched) {
  if (rows.size() == 0 || cols.size() == 0) return;
  const Scratch<T> at(rows.size(), cols.size(), depth);
  const Parts tiles(rows.size(), kTileRows), blocks(tiles.count, kBlockTiles);
  const bool pack_a = worth_packing(a, (cols.size() + kTileCols<T> - 1) / kTileCols<T>);
  const bool pack_b = worth_packing(b, tiles.count);
  const bool keep_b = pack_b && depth <= kChunk && blocks.count > 1;

  for (Index col = cols.begin; col < cols.end; col += kBlockCols<T>) {
    const Index width = std::min(kBlockCols<T>, cols.end - col);
    Strips<T> strips = b.from(0, col);
    if (keep_b) {
      pack_panel(strips.data, strips.line, memory + at.b, depth, Range{0, depth}, width);
      strips = Strips<T>::panel(memory + at.b, depth);
    }
    for (Index block = 0; block < blocks.count; ++block) {
      for (Index k = 0; k < depth; k += kChunk) {
        const Range chunk{k, std::min(depth, k + kChunk)};
        const bool last = chunk.end == depth;
        for (Index c = 0; c < width; c += kTileCols<T>) {
          const Index strip_width = std::min(kTileCols<T>, width - c);
          Strips<T> strip = strips.from(k, c);
          if (pack_b && !keep_b) {
            pack_panel(strip.data, strip.line, memory + at.b, chunk.size(), Range{0, chunk.size()},
                       strip_width);
            strip = Strips<T>::panel(memory + at.b, chunk.size());
          }
          for (Index t = blocks.begin(block); t < blocks.begin(block + 1); ++t) {
            const Index slot = t - blocks.begin(block);
            const Range tile{rows.begin + tiles.begin(t), rows.begin + tiles.begin(t + 1)};
            T* const waiting = memory + at.sums + (slot * at.width + c) * kTileRows;
            T* const sums = last ? memory : waiting;
            Task<T> task{strip.data, strip.line, chunk.size(), k > 0 ? waiting : nullptr, sums, {}};
            if (last) task.touched = touched.from(tile.begin, col + c);
            if (pack_a) {
              T* const copy = memory + at.a + slot * at.tile_size;
              if (c == 0) pack_tile(a, tile, chunk, copy);
              tile_sums(A{copy, packed_stride(a, chunk.size())}, Range{0, tile.size()}, strip_width,
                        strip.padded, task);
            } else {
              tile_sums(A{a.at(0, k), a.stride}, tile, strip_width, strip.padded, task);
            }
            if (last) finish(Tile<T>{sums, tile.begin, col + c, tile.size(), strip_width});
          }
        }
      }
    }
  }
}

}  // namespace

template <class T>
void pack_panel(const T* from, Index stride, T* panel, Index depth, Range rows, Index cols) {
  for (Index col = 0; col < cols; col += kTileCols<T>) {
    const Index width = std::min(kTileCols<T>, cols - col);
    T* line = panel + col * depth + rows.begin * kTileCols<T>;
    for (Index k = rows.begin; k < rows.end; ++k, line += kTileCols<T>) {
      const T* values = from + k * stride + col;
      prefetch(values + kAhead * stride);
      prefetch(values + kAhead * stride + kTileCols<T> / 2);
      if (width == kTileCols<T>) {
        copy(values, line, kTileCols<T>);
      } else {
        if (width <= kLanes<T>) store(line + kLanes<T>, Vec<T>(T(0)), Whole{});
        copy(values, line, width);
      }
    }
  }
}

template <class T>
void pack_transposed_panel(const T* from, Index stride, T* panel, Range rows, Index cols) {
  constexpr int kSide = static_cast<int>(kLanes<T>);
  for (Index i = rows.begin; i < rows.end;) {
    // Squares of registers, as they lie in the strips.
    const Index lane = i % kSide, height = std::min<Index>(kSide - lane, rows.end - i);
    T* const strip = panel + i / kTileCols<T> * kTileCols<T> * cols + i % kTileCols<T>;
    if (height < kSide) {
      for (Index c = 0; c < cols; ++c) {
        for (Index r = 0; r < height; ++r) {
          strip[c * kTileCols<T> + r] = from[(i + r) * stride + c];
        }
      }
    } else {
      for_each_vector<T>(cols, [&](Index c, auto lanes) {
        Eigen::internal::PacketBlock<Packet<T>, kSide> square;
        for (Index r = 0; r < kSide; ++r) {
          square.packet[r] = load(from + (i + r) * stride + c, lanes).packet;
        }
        if constexpr (kSide > 1) Eigen::internal::ptranspose(square);
        const Index lines = std::min<Index>(kSide, cols - c);
        for (Index r = 0; r < lines; ++r) {
          store(strip + (c + r) * kTileCols<T>, Vec<T>(square.packet[r]), Whole{});
        }
      });
    }
    i += height;
  }
}

template <class T>
Index product_scratch(Index rows, Index cols, Index depth) {
  return Scratch<T>(rows, cols, depth).end;
}

template <class T>
void product(const RowMajor<T>& a, const Strips<T>& b, Range rows, Range cols, Index depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  compute(a, b, rows, cols, depth, scratch, finish, touched);
}

template <class T>
void product(const Transposed<T>& a, const Strips<T>& b, Range rows, Range cols, Index depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  compute(a, b, rows, cols, depth, scratch, finish, touched);
}

#define DENSENET_INSTANTIATE(T)                                                          \
  template void pack_panel(const T*, Index, T*, Index, Range, Index);                    \
  template void pack_transposed_panel(const T*, Index, T*, Range, Index);                \
  template Index product_scratch<T>(Index, Index, Index);                                \
  template void product(const RowMajor<T>&, const Strips<T>&, Range, Range, Index, T*,   \
                        const Finish<T>&, const Touched<T>&);                            \
  template void product(const Transposed<T>&, const Strips<T>&, Range, Range, Index, T*, \
                        const Finish<T>&, const Touched<T>&);
DENSENET_INSTANTIATE(float)
DENSENET_INSTANTIATE(double)
#undef DENSENET_INSTANTIATE

}  // namespace densenet
