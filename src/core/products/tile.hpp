// A finished tile of a product, and what becomes of it.
//
// A tile is kTileRows x kTileCols of C = A B, and a strip is as wide as a tile. Finished tiles are
// handed over in a small buffer, hot in the cache, so that bias and activation, an activation's
// derivative or an optimizer's update cost one pass over it.
#pragma once

#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

template <class T>
inline constexpr Index kTileCols = kTileVectors * kLanes<T>;
template <class T>
inline constexpr Index kTileSize = kTileRows * kTileCols<T>;

// Finished tiles: one, or a bundle of them below each other or beside each other. The sum that
// belongs to C[row + r, col + strip * kTileCols + c] is line(r, strip)[c].
template <class T>
struct Tile {
  const T* sums;
  Index row, col, rows, cols;
  Index step = kTileSize<T>;  // from one strip to the next

  const T* line(Index r, Index strip = 0) const { return sums + strip * step + r * kTileCols<T>; }
  // The columns from this strip on, up to column `end` of the tile.
  Tile columns(Index strip, Index end) const {
    const Index begin = strip * kTileCols<T>;
    return {line(0, strip), row, col + begin, rows, end - begin, step};
  }
};

// The three cases of for_each_vector below: tiles of one full strip, of several full strips, and of
// a part of a strip. They copy the body, so that what no store can change stays in registers.
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
    for (Index c = 0; c < tile.cols; c += kTileCols<T>, line += tile.step) {
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

// Calls body(row, column, sum, lanes) on each register of sums; row and column are those of C.
template <class T, class Body>
void for_each_vector(const Tile<T>& tile, const Body& body) {
  const Index strips = tile.cols / kTileCols<T>;
  const Tile<T> full = tile.columns(0, strips * kTileCols<T>),
                rest = tile.columns(strips, tile.cols);
  if (strips == 1) for_each_of_strip(full, body);
  if (strips > 1) for_each_of_strips(full, body);
  if (rest.cols > 0) for_each_of_part(rest, body);
}

// What a product calls on each finished tile: refers to a function object of the caller's, which
// has to live as long.
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

}  // namespace densenet
