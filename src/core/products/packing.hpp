// Copies of operands: where they pay, and how they lie. Private to product.cpp.
#pragma once

#include <algorithm>

#include "core/products/product.hpp"

namespace densenet {

// How many steps along the depth lines of B are fetched before they are read.
inline constexpr Index kAhead = 8;

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

// Copies tiles of one height below each other, each to its own place.
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
  // Whole lines where the matrix goes on beside the tiles: what is too much is not read.
  const bool whole = rows.end - height + kTransposedLine<T> <= a.stride;
  const Index last = whole ? depth.end - 1 : depth.begin;
  for (Index k = depth.begin; k < last; ++k, to += kTransposedLine<T>) {
    const T* from = a.at(rows.begin, k);
    T* place = to;
    for (Index i = rows.begin; i < rows.end; i += height, from += height, place += tile_size) {
#pragma GCC unroll 2
      for (Index v = 0; v < kTransposedLine<T>; v += kLanes<T>) {
        store(place + v, load(from + v, Whole{}), Whole{});
      }
    }
  }
  for (Index k = last; k < depth.end; ++k, to += kTransposedLine<T>) {
    T* place = to;
    for (Index i = rows.begin; i < rows.end; i += height, place += tile_size) {
      copy(a.at(i, k), place, height);
    }
  }
}

// Whether to copy A: lines a multiple of so many bytes apart fall on the same few places of the
// first-level cache.
template <class T>
bool worth_packing(const RowMajor<T>& a, Index strips) {
  return strips > 1 && a.stride * static_cast<Index>(sizeof(T)) % 2048 == 0;
}
template <class T>
bool worth_packing(const Transposed<T>&, Index strips) {
  return strips > 7;
}

// A strip of B where it lies, or copied with its lines side by side: then it is padded, so that
// whole registers may be read.
template <class T>
struct Strip {
  const T* data;
  Index line;
  bool padded;
};

// Copies columns of a part of B's depth, strip after strip.
template <class T>
void pack_strips(const RowMajor<T>& b, Range depth, Range cols, T* to) {
  for (Index col = cols.begin; col < cols.end; col += kTileCols<T>) {
    const Index width = std::min(kTileCols<T>, cols.end - col);
    for (Index k = depth.begin; k < depth.end; ++k, to += kTileCols<T>) {
      const T* line = b.at(k, col);
      prefetch(line + kAhead * b.stride);
      prefetch(line + kAhead * b.stride + kTileCols<T> / 2);
      if (width <= kLanes<T>) store(to + kLanes<T>, Vec<T>(T(0)), Whole{});
      copy(line, to, width);
    }
  }
}
template <class T>
void pack_strips(const Transposed<T>& b, Range depth, Range cols, T* to) {
  constexpr int kSide = static_cast<int>(kLanes<T>);
  constexpr Index kFar = 6;  // squares ahead, so far along lines that nothing foresees
  for (Index col = cols.begin; col < cols.end; col += kTileCols<T>) {
    for (Index v = 0; v < kTileVectors; ++v) {
      const Index first = col + v * kLanes<T>, width = std::min(kLanes<T>, cols.end - first);
      for_each_vector<T>(depth.size(), [&](Index k, auto lanes) {
        Eigen::internal::PacketBlock<Packet<T>, kSide> square;
        for (Index c = 0; c < kSide; ++c) {
          prefetch(b.at(depth.begin + k + kFar * kLanes<T>, first + c));
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
    to += kTileCols<T> * depth.size();
  }
}

// Whether to copy B: for many tiles, or where its lines are far apart. Tiles read no transpose.
template <class T>
bool worth_packing_strips(const RowMajor<T>& b, Index tiles) {
  const bool far = b.stride * static_cast<Index>(sizeof(T)) >= 2048;
  return tiles > (far ? 3 : 15);
}
template <class T>
bool worth_packing_strips(const Transposed<T>&, Index) {
  return true;
}
template <class T>
Strip<T> in_place(const RowMajor<T>& b, Index k, Index col) {
  return {b.at(k, col), b.stride, false};
}
template <class T>
Strip<T> in_place(const Transposed<T>&, Index, Index) {
  return {};
}

}  // namespace densenet
