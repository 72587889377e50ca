// A product of one strip: C has no more columns than a tile, and its sums have one chunk. For
// product.cpp only.
//
// Such are the products of small networks and of most last layers. They need no blocks, and no sums
// that wait; the loops of product.cpp, which see to these, would take a tenth of such a network's
// step.
#pragma once

#include <algorithm>
#include <type_traits>

#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/products/micro_kernel.hpp"
#include "core/products/operands.hpp"
#include "core/products/packing.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/registers.hpp"

namespace densenet {

// True if this part of a product is one strip of one chunk.
template <class T>
bool is_strip(const Part& part, const Depth& depth) {
  return part.cols.size() <= kTileCols<T> && depth.count == 1;
}

// As product() in product.hpp. `memory`: sums of a bundle of tiles, then a copy of the strip.
template <class T, class A, class B>
void strip_product(const A& a, const B& b, const Part& part, const Depth& depth, T* memory,
                   const Finish<T>& finish, const Touched<T>& touched) {
  const Index terms = depth.size, cols = part.cols.size();
  const EvenSplit tiles(part.rows.size(), kTileRows);
  const bool copied = worth_packing_strips(b, tiles.count);
  Strip<T> strip = in_place(b, 0, part.cols.begin);
  if (copied) {
    T* const copy = memory + kBundleTiles * kTileSize<T>;
    pack_strip(b, {0, terms}, part.cols, copy, NotFetched{});
    strip = {copy, kTileCols<T>, true};
  }
  // As in product.cpp: the next tiles of a transposed A are fetched, if the strip need not be, and
  // tiles are finished together where that pays.
  const bool next_tiles = std::is_same_v<A, Transposed<T>> && copied && terms <= kShort;
  const Index most = !kManyRegisters || terms <= kShort ? kBundleTiles : 1;
  for (Range bundle{0, 0}; bundle.begin < tiles.count; bundle.begin = bundle.end) {
    bundle.end = std::min(bundle.begin + most, tiles.count);
    const Index first = part.rows.begin + tiles.begin(bundle.begin);
    Index row = first;
    T* sums = memory;
    for (Range alike = bundle; alike.begin < bundle.end; alike.begin = alike.end) {
      alike.end = tiles.alike({alike.begin, bundle.end});
      const Index height = tiles[alike.begin].size(), rows = alike.size() * height;
      const A lines{a.at(row, 0), a.stride};
      Task<T> task;
      task.tiles = alike.size();
      task.a_step = lines.at(height, 0) - lines.data;
      task.b = strip.data;
      task.line = strip.line;
      task.depth = terms;
      task.before = memory;
      task.waiting = task.apart = task.before_step = 0;
      task.to = sums;
      task.to_step = height * kTileCols<T>;
      task.lines = next_tiles ? Lines<T>{a.at(row + rows, 0), a.stride}
                              : Lines<T>{strip.data + kStripAhead * strip.line, strip.line};
      task.lines_step = next_tiles ? height : 0;
      if (touched.stride > kTileCols<T>) {
        task.columns.add(touched.from(row, part.cols.begin), rows);
      }
      tile_sums(lines, height, cols, strip.padded, task);
      row += rows;
      sums += rows * kTileCols<T>;
    }
    finish(Tile<T>{memory, first, part.cols.begin, row - first, cols});
  }
}

}  // namespace densenet
