// Copies tiles of A and strips of B so that their lines lie side by side, and says where that pays.
// Private to product.cpp. (BLIS and others call it packing.)
#pragma once

#include <algorithm>
#include <type_traits>

#include "core/memory/views.hpp"
#include "core/products/fetching.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

constexpr Index round_up(Index n, Index grain) { return (n + grain - 1) / grain * grain; }

// Copies n elements; the last register of `to` is filled up with zeros.
template <class T>
void copy(const T* from, T* to, Index n) {
  for_each_vector<T>(n,
                     [&](Index i, auto lanes) { store(to + i, load(from + i, lanes), Whole{}); });
}

// The stride of a copied tile of A, and its size for a chunk of this depth. A row-major line gets a
// register more than it needs, so that lines do not evict each other from the cache.
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

// Copies the tiles of A in these rows, of one height, over a part of the depth: each to its own
// memory, tile_size elements after the one before.
template <class T>
void pack_tiles(const RowMajor<T>& a, Range rows, Index height, Range depth, T* to,
                Index tile_size) {
  const Index stride = packed_stride(a, depth.size());
  for (Index begin = rows.begin; begin < rows.end; begin += height, to += tile_size) {
    for (Index i = 0; i < height; ++i) {
      copy(a.at(begin + i, depth.begin), to + i * stride, depth.size());
    }
  }
}
template <class T>
void pack_tiles(const Transposed<T>& a, Range rows, Index height, Range depth, T* to,
                Index tile_size) {
  // Copy whole registers where the matrix goes on beside the tiles: nobody reads what is too much.
  const bool whole = rows.end - height + kTransposedLine<T> <= a.stride;
  const Index last = whole ? depth.end - 1 : depth.begin;
  for (Index k = depth.begin; k < last; ++k, to += kTransposedLine<T>) {
    const T* from = a.at(rows.begin, k);
    T* line = to;
    for (Index i = rows.begin; i < rows.end; i += height, from += height, line += tile_size) {
#pragma GCC unroll 2
      for (Index v = 0; v < kTransposedLine<T>; v += kLanes<T>) {
        store(line + v, load(from + v, Whole{}), Whole{});
      }
    }
  }
  for (Index k = last; k < depth.end; ++k, to += kTransposedLine<T>) {
    T* line = to;
    for (Index i = rows.begin; i < rows.end; i += height, line += tile_size) {
      copy(a.at(i, k), line, height);
    }
  }
}

// True if tiles of A, which this many strips read, should be copied: where their rows evict each
// other from the first-level cache, or where many strips read a transpose.
template <class T>
bool worth_packing(const RowMajor<T>& a, Index strips) {
  return strips > 1 && a.stride * static_cast<Index>(sizeof(T)) % kAliasedBytes == 0;
}
template <class T>
bool worth_packing(const Transposed<T>&, Index strips) {
  return strips > kStripsInPlace;
}

// A strip of B (depth, kTileCols): where it lies, or a copy. `line` is its stride. A copy is
// padded: whole registers may be read, whatever the width of the strip.
template <class T>
struct Strip {
  const T* data;
  Index line;
  bool padded;
};

// Tells whether a strip's lines have been fetched before it is copied.
struct Fetched {};
struct NotFetched {};

// Copies a strip of B over a part of the depth (depth, kTileCols).
template <class T, class Before>
void pack_strip(const RowMajor<T>& b, Range depth, Range cols, T* to, Before) {
  for (Index k = depth.begin; k < depth.end; ++k, to += kTileCols<T>) {
    const T* line = b.at(k, cols.begin);
    if constexpr (std::is_same_v<Before, NotFetched>) {
      prefetch(line + kStripAhead * b.stride);
      prefetch(line + kStripAhead * b.stride + kTileCols<T> / 2);
    }
    if (cols.size() <= kLanes<T>) store(to + kLanes<T>, Vec<T>(T(0)), Whole{});
    copy(line, to, cols.size());
  }
}
template <class T, class Before>
void pack_strip(const Transposed<T>& b, Range depth, Range cols, T* to, Before) {
  constexpr int kSide = static_cast<int>(kLanes<T>);
  for (Index v = 0; v < kTileVectors; ++v) {
    const Index first = cols.begin + v * kLanes<T>, width = std::min(kLanes<T>, cols.end - first);
    for_each_vector<T>(depth.size(), [&](Index k, auto lanes) {
      Eigen::internal::PacketBlock<Packet<T>, kSide> square;
      for (Index c = 0; c < kSide; ++c) {
        if constexpr (std::is_same_v<Before, NotFetched>) {
          prefetch(b.at(depth.begin + k + kSquaresAhead * kLanes<T>, first + c));
        }
        const Vec<T> column =
            c < width ? load(b.at(depth.begin + k, first + c), lanes) : Vec<T>(T(0));
        square.packet[c] = column.packet;
      }
      if constexpr (kSide > 1) Eigen::internal::ptranspose(square);
      const Index lines = std::min<Index>(kSide, depth.size() - k);
      for (Index r = 0; r < lines; ++r) {
        store(to + (k + r) * kTileCols<T> + v * kLanes<T>, Vec<T>(square.packet[r]), Whole{});
      }
    });
  }
}

// Adds what pack_strip reads for this part of a strip to the columns that are fetched.
template <class T>
void add_part(const RowMajor<T>& b, Range depth, Range cols, Columns<T>* columns) {
  columns->add(b.at(depth.begin, cols.begin), b.stride, depth.size());
}
template <class T>
void add_part(const Transposed<T>& b, Range depth, Range cols, Columns<T>* columns) {
  for (Index k = depth.begin; k < depth.end; k += kTileCols<T>) {
    columns->add(b.at(k, cols.begin), b.stride, cols.size());
  }
}

// True if strips of B, which this many tiles read, should be copied: if there are many, or its
// lines are far apart. A transpose always is: tiles cannot read it.
template <class T>
bool worth_packing_strips(const RowMajor<T>& b, Index tiles) {
  const bool far = b.stride * static_cast<Index>(sizeof(T)) >= kFarBytes;
  return tiles > (far ? kFarTilesInPlace : kNearTilesInPlace);
}
template <class T>
bool worth_packing_strips(const Transposed<T>&, Index) {
  return true;
}
// The strip of B from this step of the depth and this column on, where it lies.
template <class T>
Strip<T> in_place(const RowMajor<T>& b, Index k, Index col) {
  return {b.at(k, col), b.stride, false};
}
template <class T>
Strip<T> in_place(const Transposed<T>&, Index, Index) {
  return {};
}

}  // namespace densenet
