// The loops around the register tile: what is taken when, what is copied, what is fetched.
#include "core/products/product.hpp"

#include <algorithm>
#include <type_traits>

#include "core/products/few_rows.hpp"
#include "core/products/packing.hpp"
#include "core/products/tile.hpp"

namespace densenet {

namespace {

// n items in parts that are as even as can be and no larger than `most`.
struct Parts {
  Index count, size, larger;

  Parts(Index n, Index most) : count((n + most - 1) / most), size(n / count), larger(n % count) {}
  Index begin(Index part) const { return part * size + std::min(part, larger); }
  Range operator[](Index part) const { return {begin(part), begin(part + 1)}; }
  // The first of `parts` that has another size than their first one, or their end.
  Index alike(Range parts) const {
    return parts.begin < larger ? std::min(larger, parts.end) : parts.end;
  }
};

// Blocks: a block of A and a strip of B stay in the second-level cache together. A strip is copied
// just before it is used, and the copy kept for the other blocks of a group: all of them, if B is
// one chunk deep; otherwise their sums wait for the next chunk, and are to stay near, too.
constexpr Index kBlockTiles = 168 / kTileRows, kGroupBlocks = 4;
// With few registers the second-level cache may be small, too: a block is to fill no more of it
// than this (256 x 1024 x 1024 takes 2 to 5 % less on one core of Zen 3, whose cache has 512 KB).
constexpr Index kBlockBytes = Index{336} << 10;
template <class T>
Index block_tiles(const Depth& depth) {
  if (kManyRegisters) return kBlockTiles;
  const Index chunk = (depth.size + depth.count - 1) / depth.count;
  const Index tile_bytes = kTileRows * chunk * static_cast<Index>(sizeof(T));
  return std::clamp<Index>(kBlockBytes / std::max<Index>(tile_bytes, 1), 1, kBlockTiles);
}
inline Index group_tiles(Index tiles, const Depth& depth) {
  return depth.count == 1 ? tiles : depth.pairwise ? kBlockTiles : kGroupBlocks * kBlockTiles;
}
template <class T>
constexpr Index kBlockCols = 512 / kTileCols<T> * kTileCols<T>;

// Tiles of a product up to so deep are finished some together: those below each other in a strip;
// or those beside each other, in blocks of one tile's rows, where most of the time goes to updates
// of so long lines that processors foresee them better so. Small tiles below each other always are,
// and with AVX-512 those of short chunks and short lines (1 to 3 % of products with 128 columns;
// one of lines of 1024 would lose 5).
constexpr Index kShallow = 64, kShort = 256;            // steps
constexpr Index kLongLine = (kManyRegisters ? 8 : 32);  // strips

template <class T>
bool goes_along(const RowMajor<T>&, Index, const Depth&) {
  return false;
}
template <class T>
bool goes_along(const Transposed<T>&, Index cols, const Depth& depth) {
  return depth.size <= kShallow && cols >= kLongLine * kTileCols<T>;
}

// Where product() works: finished tiles, sums that wait for the rest of their depth, copies.
template <class T>
struct Scratch {
  Index tile_size, width;  // of a copy of A; of a block
  Index waiting;           // sums of a group
  Index sums, a, b, end;   // offsets

  Scratch(Index rows, Index cols, const Depth& depth) {
    const Index all = (rows + kTileRows - 1) / kTileRows, tiles = std::min(all, kBlockTiles);
    const Index chunk = std::min(depth.size, kChunk);
    tile_size = packed_tile_size<T>(chunk);
    width = std::min(round_up(cols, kTileCols<T>), kBlockCols<T>);
    sums = kGroup * kTileSize<T>;
    waiting = std::min(all, group_tiles(all, depth)) * width * kTileRows;
    a = sums + depth.waiting() * waiting;
    b = a + tiles * tile_size;
    end = b + width * chunk;
  }
};

template <class T, class A, class B>
class Product {
 public:
  Product(const A& a, const B& b, const Part& part, const Depth& depth, T* memory,
          const Finish<T>& finish, const Touched<T>& touched)
      : a_(a),
        b_(b),
        part_(part),
        depth_(depth),
        memory_(memory),
        finish_(finish),
        touched_(touched),
        at_(part.rows.size(), part.cols.size(), depth),
        tiles_(part.rows.size(), kTileRows),
        groups_(tiles_.count, group_tiles(tiles_.count, depth)),
        along_(goes_along(a, part.cols.size(), depth)),
        block_tiles_(along_ ? 1 : block_tiles<T>(depth)),
        pack_a_(worth_packing(a, (part.cols.size() + kTileCols<T> - 1) / kTileCols<T>)),
        pack_b_(worth_packing_strips(b, tiles_.count)),
        keep_b_(pack_b_ && groups_[0].size() > block_tiles_) {}

  void compute() const {
    for (Index col = part_.cols.begin; col < part_.cols.end; col += kBlockCols<T>) {
      const Range cols{col, std::min(col + kBlockCols<T>, part_.cols.end)};
      for (Index group = 0; group < groups_.count; ++group) compute(groups_[group], cols);
    }
  }

 private:
  static constexpr bool kTransposedA = std::is_same_v<A, Transposed<T>>;

  struct Block {
    Range group, tiles, cols, chunk;  // chunk: of the depth
    Index number;                     // of the chunk
  };

  void compute(Range group, Range cols) const {
    const Parts blocks(group.size(), block_tiles_);
    for (Index i = depth_.chunks.begin; i < depth_.chunks.end; ++i) {
      for (Index block = 0; block < blocks.count; ++block) {
        const Range tiles{group.begin + blocks.begin(block), group.begin + blocks.begin(block + 1)};
        compute(Block{group, tiles, cols, depth_[i], i});
      }
    }
  }

  void compute(const Block& block) const {
    const Index group = !kManyRegisters || depth_.size <= kShallow || small(block) ? kGroup : 1;
    const Index width = along_ ? group * kTileCols<T> : kTileCols<T>, height = along_ ? 1 : group;
    for (Index col = block.cols.begin; col < block.cols.end; col += width) {
      const Range cols{col, std::min(col + width, block.cols.end)};
      for (Index t = block.tiles.begin; t < block.tiles.end; t += height) {
        compute(block, Range{t, std::min(t + height, block.tiles.end)}, cols);
      }
    }
  }

  // Tiles that are finished together.
  void compute(const Block& block, Range tiles, Range cols) const {
    const Range rows = rows_of(tiles);
    T* sums = memory_;
    for (Index col = cols.begin; col < cols.end; col += kTileCols<T>, sums += kTileSize<T>) {
      const Range its_cols{col, std::min(col + kTileCols<T>, cols.end)};
      const Strip<T> its_strip = strip(block, tiles.begin, its_cols);
      for (Range alike = tiles; alike.begin < tiles.end; alike.begin = alike.end) {
        alike.end = tiles_.alike({alike.begin, tiles.end});
        const Index first = tiles_.begin(alike.begin) - tiles_.begin(tiles.begin);
        accumulate_tiles(block, alike, its_strip, its_cols, sums + first * kTileCols<T>);
      }
    }
    if (!is_last(block)) return;
    finish_(Tile<T>{memory_, rows.begin, cols.begin, rows.size(), cols.size()});
  }

  static bool small(const Block& block) {
    return block.chunk.size() <= kShort && block.cols.size() < kLongLine * kTileCols<T>;
  }
  Range rows_of(Range tiles) const {
    return {part_.rows.begin + tiles_.begin(tiles.begin),
            part_.rows.begin + tiles_.begin(tiles.end)};
  }
  bool is_last(const Block& block) const { return block.number + 1 == depth_.chunks.end; }
  bool copies_tiles(const Block& block, Range cols) const {
    return pack_a_ && cols.begin == block.cols.begin;
  }
  bool copies_strips(const Block& block) const {
    return pack_b_ && (!keep_b_ || block.tiles.begin == block.group.begin);
  }

  // A strip of B, where it lies or copied before its first tile.
  Strip<T> strip(const Block& block, Index number, Range cols) const {
    if (!pack_b_) return in_place(b_, block.chunk.begin, cols.begin);
    T* const copied =
        memory_ + at_.b + (keep_b_ ? (cols.begin - block.cols.begin) * block.chunk.size() : 0);
    if (copies_strips(block) && number == block.tiles.begin) {
      pack_strips(b_, block.chunk, cols, copied);
    }
    return {copied, kTileCols<T>, true};
  }

  // What is fetched a line at a step during tiles: a strip in place, before its lines are read.
  // Where it was copied, the next tile of A, while the first strip meets them, or the strip that is
  // copied next, if their lines lie across the depth.
  void add_lines(const Block& block, Range tiles, const Strip<T>& strip, Range cols,
                 Task<T>* task) const {
    task->lines = {strip.data + kAhead * strip.line, strip.line};
    task->lines_step = 0;
    if constexpr (kTransposedA) {
      if (pack_b_ && cols.begin == block.cols.begin) {
        task->lines = {a_.at(rows_of(tiles).end, block.chunk.begin), a_.stride};
        task->lines_step = tiles_[tiles.begin].size();
        return;
      }
    }
    if constexpr (std::is_same_v<B, RowMajor<T>>) {
      if (copies_strips(block) && tiles.end == block.tiles.end && cols.end < part_.cols.end) {
        task->lines = {b_.at(block.chunk.begin, cols.end), b_.stride};
      }
    }
  }

  // What is fetched a row now and then: the tiles of A that the first of several strips meets next,
  // if their lines lie along the depth; what `finish` will touch.
  void add_columns(const Block& block, Range tiles, Range cols, Task<T>* task) const {
    const Range rows = rows_of(tiles);
    if constexpr (!kTransposedA) {
      const bool first = cols.begin == block.cols.begin && cols.end < part_.cols.end;
      if (first && tiles.end < block.tiles.end) {
        const Index next = std::min(tiles.end + tiles.size(), block.tiles.end);
        for (Index k = block.chunk.begin; k < block.chunk.end; k += kTileCols<T>) {
          task->columns.add(a_.at(rows.end, k), a_.stride, rows_of({tiles.end, next}).size());
        }
      }
    }
    const bool near = touched_.stride <= kTileCols<T>;  // as one line: processors foresee it
    if (is_last(block) && !near) {
      task->columns.add(touched_.from(rows.begin, cols.begin), rows.size());
    }
  }

  // The sums of tiles of one height over a chunk of the depth.
  void accumulate_tiles(const Block& block, Range tiles, const Strip<T>& strip, Range cols,
                        T* finished) const {
    const Range chunk = block.chunk;
    const Index height = tiles_[tiles.begin].size(),
                completed = depth_.completed(block.number - depth_.chunks.begin);
    const Index waiting_step = at_.width * kTileRows;
    T* const waiting = memory_ + at_.sums + (tiles.begin - block.group.begin) * waiting_step +
                       (cols.begin - block.cols.begin) * kTileRows;
    Task<T> task;
    task.tiles = tiles.size();
    task.b = strip.data;
    task.line = strip.line;
    task.depth = chunk.size();
    task.before = waiting;
    task.waiting = completed;
    task.apart = at_.waiting;
    task.before_step = waiting_step;
    const bool last = is_last(block);
    task.to = last ? finished : waiting + (depth_.pairwise ? completed * at_.waiting : 0);
    task.to_step = last ? height * kTileCols<T> : waiting_step;
    add_lines(block, tiles, strip, cols, &task);
    add_columns(block, tiles, cols, &task);
    if (pack_a_) {
      T* const copied = memory_ + at_.a + (tiles.begin - block.tiles.begin) * at_.tile_size;
      if (copies_tiles(block, cols)) {
        pack_tiles(a_, rows_of(tiles), height, chunk, copied, at_.tile_size);
      }
      task.a_step = at_.tile_size;
      tile_sums(A{copied, packed_stride(a_, chunk.size())}, height, cols.size(), strip.padded,
                task);
    } else {
      const A in_place{a_.at(rows_of(tiles).begin, chunk.begin), a_.stride};
      task.a_step = in_place.at(height, 0) - in_place.data;
      tile_sums(in_place, height, cols.size(), strip.padded, task);
    }
  }

  const A a_;
  const B b_;
  const Part part_;
  const Depth depth_;
  T* const memory_;
  const Finish<T>& finish_;
  const Touched<T>& touched_;
  const Scratch<T> at_;
  const Parts tiles_, groups_;
  const bool along_;
  const Index block_tiles_;
  const bool pack_a_, pack_b_, keep_b_;
};

template <class T, class A, class B>
void compute(const A& a, const B& b, const Part& part, const Depth& depth, T* memory,
             const Finish<T>& finish, const Touched<T>& touched) {
  if (part.rows.size() == 0 || part.cols.size() == 0) return;
  Product<T, A, B>(a, b, part, depth, memory, finish, touched).compute();
}

}  // namespace

template <class T>
Index product_scratch(Index rows, Index cols, const Depth& depth) {
  return Scratch<T>(rows, cols, depth).end;
}

template <class T>
void product(const RowMajor<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  if (part.rows.size() == 1 && part.cols.size() <= kTileCols<T> && depth.pairwise) {
    return row_product(a, b, part, depth, scratch, finish);
  }
  compute(a, b, part, depth, scratch, finish, touched);
}

template <class T>
void product(const RowMajor<T>& a, const Transposed<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  compute(a, b, part, depth, scratch, finish, touched);
}

template <class T>
void product(const Transposed<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  if (depth.size == 1) return outer_product(a, b, part, scratch, finish);
  compute(a, b, part, depth, scratch, finish, touched);
}

#define DENSENET_INSTANTIATE(T)                                                                  \
  template Index product_scratch<T>(Index, Index, const Depth&);                                 \
  template void product(const RowMajor<T>&, const RowMajor<T>&, const Part&, const Depth&, T*,   \
                        const Finish<T>&, const Touched<T>&);                                    \
  template void product(const RowMajor<T>&, const Transposed<T>&, const Part&, const Depth&, T*, \
                        const Finish<T>&, const Touched<T>&);                                    \
  template void product(const Transposed<T>&, const RowMajor<T>&, const Part&, const Depth&, T*, \
                        const Finish<T>&, const Touched<T>&);
DENSENET_INSTANTIATE(float)
DENSENET_INSTANTIATE(double)
#undef DENSENET_INSTANTIATE

}  // namespace densenet
