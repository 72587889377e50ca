// The loops around the micro-kernel: in which order tiles are computed, what is copied and what is
// fetched ahead.
//
//   over_columns   takes kBlockCols columns of C at a time and, for these, each group of blocks
//   over_blocks    takes each chunk of the depth and, for this chunk, each block of the group. A
//                  block is some tiles below each other; their rows of A stay in the second-level
//                  cache together with one strip of B
//   over_bundles   takes each strip of B and, for this strip, the block's bundles of tiles from top
//                  to bottom
//   finish_bundle  adds up the chunk's terms for a bundle and, after the last chunk, calls finish()
//
// An operand is copied where that pays (packing.hpp), and otherwise read where it lies:
//   B   is copied strip by strip; the blocks of a group share the copy. In deep products a part of
//       the next strip is copied after each bundle of tiles, otherwise all of it before its first
//   A   is copied tile by tile, at the first strip of a block; the block's other strips share it.
//       In deep products the block's tiles of a transposed A are copied together
// While a tile is computed, memory that is needed next is fetched (fetching.hpp): what finish()
// will touch, what is copied next and where to, sums that wait, and the next rows of A where the
// strip is a block's first.
//
// Rejected: transposing row-major tiles while they are copied; keeping copies of all weights from
// step to step; keeping the sums of a whole block for one longer finish(); fetching the next tile
// of an A in place; fetching for writing; fetching what the next update touches during an update;
// copying four tiles or strips at a time, along the lines of memory (docs/tuning.md).
#include "core/products/product.hpp"

#include <algorithm>
#include <type_traits>

#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/products/fetching.hpp"
#include "core/products/few_rows.hpp"
#include "core/products/micro_kernel.hpp"
#include "core/products/packing.hpp"
#include "core/products/strip_product.hpp"
#include "core/tuning.hpp"
#include "core/vectors/registers.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

constexpr Index kBlockTiles = kBlockRows / kTileRows;

// The most tiles below each other in a block: those of kBlockRows rows. With 16 registers they are
// fewer where their part of A, a chunk deep, would take more than kBlockBytes of the cache.
template <class T>
Index block_tiles(const Depth& depth) {
  if (kManyRegisters) return kBlockTiles;
  const Index chunk = (depth.size + depth.count - 1) / depth.count;
  const Index tile_bytes = kTileRows * chunk * static_cast<Index>(sizeof(T));
  return std::clamp<Index>(kBlockBytes / std::max<Index>(tile_bytes, 1), 1, kBlockTiles);
}
// The most tiles below each other in a group of blocks, of all `tiles`. If B is one chunk deep, all
// blocks are one group; otherwise the group's sums wait for the next chunk, and have to stay in the
// cache, too.
inline Index group_tiles(Index tiles, const Depth& depth) {
  return depth.count == 1 ? tiles : depth.pairwise ? kBlockTiles : kGroupBlocks * kBlockTiles;
}
// Columns of C that are taken together: more of them where A is a transpose, whose copies cost
// most, and no sums wait.
template <class T>
Index block_cols(const RowMajor<T>&, const Depth&) {
  return kBlockCols / kTileCols<T> * kTileCols<T>;
}
template <class T>
Index block_cols(const Transposed<T>&, const Depth& depth) {
  const bool wide = depth.count == 1 && depth.size > kShort;
  return (wide ? kWideBlockCols : kBlockCols) / kTileCols<T> * kTileCols<T>;
}

// True if bundles are tiles beside each other, in blocks of one tile's rows, and not below each
// other: in weight gradients of few rows and long lines most of the time goes to the update, whose
// lines the processor foresees better so.
template <class T>
bool goes_along(const RowMajor<T>&, Index, const Depth&) {
  return false;
}
template <class T>
bool goes_along(const Transposed<T>&, Index cols, const Depth& depth) {
  return depth.size <= kShallow && cols >= kLongLine * kTileCols<T>;
}

// The layout of product()'s scratch memory: a bundle of finished tiles at 0, then sums that wait
// for later chunks of their depth, then copies of A and of B.
template <class T>
struct Scratch {
  Index tile_size;        // of a copied tile of A
  Index width;            // columns of a block
  Index waiting;          // sums of a group that wait, for one chunk
  Index sums, a, b, end;  // offsets of waiting sums, copies of A, copies of B; size of all

  // `most_cols`: of a block.
  Scratch(Index rows, Index cols, Index most_cols, const Depth& depth) {
    const Index all = (rows + kTileRows - 1) / kTileRows, tiles = std::min(all, kBlockTiles);
    const Index chunk = std::min(depth.size, kChunk);
    tile_size = packed_tile_size<T>(chunk);
    width = std::min(round_up(cols, kTileCols<T>), most_cols);
    sums = kBundleTiles * kTileSize<T>;
    waiting = std::min(all, group_tiles(all, depth)) * width * kTileRows;
    a = sums + depth.waiting() * waiting;
    b = a + tiles * tile_size;
    end = b + width * chunk;
  }
};

// One product, or a thread's part of it.
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
        block_cols_(block_cols(a, depth)),
        at_(part.rows.size(), part.cols.size(), block_cols_, depth),
        tiles_(part.rows.size(), kTileRows),
        groups_(tiles_.count, group_tiles(tiles_.count, depth)),
        along_(goes_along(a, part.cols.size(), depth)),
        block_tiles_(along_ ? 1 : block_tiles<T>(depth)),
        pack_a_(worth_packing(a, (part.cols.size() + kTileCols<T> - 1) / kTileCols<T>)),
        pack_b_(worth_packing_strips(b, tiles_.count)),
        keep_b_(pack_b_ && groups_[0].size() > block_tiles_) {}

  void over_columns() const {
    for (Index col = part_.cols.begin; col < part_.cols.end; col += block_cols_) {
      const Range cols{col, std::min(col + block_cols_, part_.cols.end)};
      for (Index group = 0; group < groups_.count; ++group) over_blocks(groups_[group], cols);
    }
  }

 private:
  static constexpr bool kTransposedA = std::is_same_v<A, Transposed<T>>;

  struct Block {
    Range group, tiles;  // tiles of its group, and its own, counted from the top of the part
    Range cols;
    Range chunk;   // of the depth
    Index number;  // of the chunk
  };

  void over_blocks(Range group, Range cols) const {
    const EvenSplit blocks(group.size(), block_tiles_);
    for (Index i = depth_.chunks.begin; i < depth_.chunks.end; ++i) {
      for (Index block = 0; block < blocks.count; ++block) {
        const Range tiles{group.begin + blocks.begin(block), group.begin + blocks.begin(block + 1)};
        over_bundles(Block{group, tiles, cols, depth_[i], i});
      }
    }
  }

  void over_bundles(const Block& block) const {
    const bool bundled = !kManyRegisters || depth_.size <= kShallow || small(block);
    const Index size = bundled ? kBundleTiles : 1;
    const Index width = along_ ? size * kTileCols<T> : kTileCols<T>, height = along_ ? 1 : size;
    for (Index col = block.cols.begin; col < block.cols.end; col += width) {
      const Range cols{col, std::min(col + width, block.cols.end)};
      for (Index t = block.tiles.begin; t < block.tiles.end; t += height) {
        const Range tiles{t, std::min(t + height, block.tiles.end)};
        finish_bundle(block, tiles, cols);
        if (copies_next(block, cols)) {
          const Range part = part_of_next(block, tiles), its_cols = next(block, cols);
          pack_strip(b_, part, its_cols, copy_of(block, part, its_cols), Fetched{});
        }
      }
    }
  }

  void finish_bundle(const Block& block, Range tiles, Range cols) const {
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

  // Short chunks and short lines, so that finish() takes as long as the sums.
  static bool small(const Block& block) {
    return block.chunk.size() <= kShort && block.cols.size() < kLongLine * kTileCols<T>;
  }
  // So deep that the lines of a strip, if they are far apart, evict each other from the
  // second-level cache when all are fetched before the strip is copied. Such strips are copied in
  // parts.
  static bool deep(const Block& block) { return block.chunk.size() > kShort; }
  Range rows_of(Range tiles) const {
    return {part_.rows.begin + tiles_.begin(tiles.begin),
            part_.rows.begin + tiles_.begin(tiles.end)};
  }
  bool is_last(const Block& block) const { return block.number + 1 == depth_.chunks.end; }
  bool copies_tiles(const Block& block, Range cols) const {
    return pack_a_ && cols.begin == block.cols.begin;
  }
  // True if a block's tiles of a transposed A are copied together, along the lines of memory, and
  // not fetched: so many lines far apart would evict each other before they are read.
  static bool copies_together(const Block& block) { return kTransposedA && deep(block); }
  bool copies_strips(const Block& block) const {
    return pack_b_ && (!keep_b_ || block.tiles.begin == block.group.begin);
  }

  // True if the strip after this one is copied part by part, after each bundle of this one.
  bool copies_next(const Block& block, Range cols) const {
    return deep(block) && copies_strips(block) && cols.end < block.cols.end;
  }
  // The strip after this one, and the part of its depth that is copied after these tiles.
  static Range next(const Block& block, Range cols) {
    return {cols.end, std::min(cols.end + kTileCols<T>, block.cols.end)};
  }
  static Range part_of_next(const Block& block, Range tiles) {
    const Index depth = block.chunk.size(), count = block.tiles.size();
    const auto begin = [&](Index tile) {
      return block.chunk.begin + std::min(round_up(depth * tile / count, kLanes<T>), depth);
    };
    return {begin(tiles.begin - block.tiles.begin), begin(tiles.end - block.tiles.begin)};
  }

  // Where the copy of a part of a strip's depth begins. If strips are not kept, two take turns.
  T* copy_of(const Block& block, Range part, Range cols) const {
    const Index strip = (cols.begin - block.cols.begin) / kTileCols<T>;
    const Index place = keep_b_ ? strip : deep(block) ? strip % 2 : 0;
    const Index line = place * block.chunk.size() + part.begin - block.chunk.begin;
    return memory_ + at_.b + line * kTileCols<T>;
  }

  // A strip of B, where it lies or copied. The first one of a block is copied before its first
  // tile, `number`.
  Strip<T> strip(const Block& block, Index number, Range cols) const {
    if (!pack_b_) return in_place(b_, block.chunk.begin, cols.begin);
    T* const copied = copy_of(block, block.chunk, cols);
    const bool first = !deep(block) || cols.begin == block.cols.begin;
    if (copies_strips(block) && first && number == block.tiles.begin) {
      pack_strip(b_, block.chunk, cols, copied, NotFetched{});
    }
    return {copied, kTileCols<T>, true};
  }

  // Adds the lines that are fetched during the task's tiles, one at each step: those of a strip in
  // place, before they are read. Where the strip was copied: the next tile of a transposed A, if
  // this is the first strip, or the strip that is copied next.
  void add_lines(const Block& block, Range tiles, const Strip<T>& strip, Range cols,
                 Task<T>* task) const {
    task->lines = {strip.data + kStripAhead * strip.line, strip.line};
    task->lines_step = 0;
    if constexpr (kTransposedA) {
      if (copies_together(block)) return;
      if (pack_b_ && cols.begin == block.cols.begin) {
        task->lines = {a_.at(rows_of(tiles).end, block.chunk.begin), a_.stride};
        task->lines_step = tiles_[tiles.begin].size();
        return;
      }
    }
    if constexpr (std::is_same_v<B, RowMajor<T>>) {
      if (!deep(block) && copies_strips(block) && tiles.end == block.tiles.end &&
          cols.end < part_.cols.end) {
        task->lines = {b_.at(block.chunk.begin, cols.end), b_.stride};
      }
    }
  }

  // Adds the columns that are fetched during the task's tiles, a row now and then: the next tiles
  // of a row-major A, if this is the first of several strips, and what finish() will touch.
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
    if (deep(block) && pack_b_ && cols.end < block.cols.end) {
      const Range part = part_of_next(block, tiles), its_cols = next(block, cols);
      if (copies_strips(block)) add_part(b_, part, its_cols, &task->columns);
      if (keep_b_) task->columns.add(copy_of(block, part, its_cols), kTileCols<T>, part.size());
    }
    const bool near = touched_.stride <= kTileCols<T>;  // lies as one line, which is foreseen
    if (is_last(block) && !near) {
      task->columns.add(touched_.from(rows.begin, cols.begin), rows.size());
    }
  }

  // Computes the sums of tiles of one height over the block's chunk: into `finished` if it is the
  // last, otherwise to where they wait for the next.
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
    for (Index t = 0; completed > 0 && t < tiles.size(); ++t) {
      task.columns.add(waiting + t * waiting_step, kTileCols<T>, height);
    }
    if (pack_a_) {
      T* const copied = memory_ + at_.a + (tiles.begin - block.tiles.begin) * at_.tile_size;
      if (copies_tiles(block, cols) && copies_together(block)) {
        if (tiles.begin == block.tiles.begin) copy_tiles(block);
      } else if (copies_tiles(block, cols)) {
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

  // Copies all of a block's tiles together.
  void copy_tiles(const Block& block) const {
    const Range part = block.chunk;
    for (Index k = part.begin; k < part.end; k += kCopiedLines) {
      const Range lines{k, std::min(k + kCopiedLines, part.end)};
      for (Range alike = block.tiles; alike.begin < block.tiles.end; alike.begin = alike.end) {
        alike.end = tiles_.alike({alike.begin, block.tiles.end});
        T* const to = memory_ + at_.a + (alike.begin - block.tiles.begin) * at_.tile_size;
        pack_tiles(a_, rows_of(alike), tiles_[alike.begin].size(), lines,
                   to + (k - part.begin) * packed_stride(a_, part.size()), at_.tile_size);
      }
    }
  }

  const A a_;
  const B b_;
  const Part part_;
  const Depth depth_;
  T* const memory_;
  const Finish<T>& finish_;
  const Touched<T>& touched_;
  const Index block_cols_;  // the most columns of a block
  const Scratch<T> at_;
  const EvenSplit tiles_, groups_;
  const bool along_;  // bundles are tiles beside each other
  const Index block_tiles_;
  const bool pack_a_, pack_b_;  // copy tiles of A, strips of B
  const bool keep_b_;           // for all blocks of a group
};

template <class T, class A, class B>
void product_by_tiles(const A& a, const B& b, const Part& part, const Depth& depth, T* memory,
                      const Finish<T>& finish, const Touched<T>& touched) {
  if (part.rows.size() == 0 || part.cols.size() == 0) return;
  if (is_strip<T>(part, depth)) {
    return strip_product(a, b, part, depth, memory, finish, touched);
  }
  Product<T, A, B>(a, b, part, depth, memory, finish, touched).over_columns();
}

}  // namespace

template <class T>
Index product_scratch(Index rows, Index cols, const Depth& depth) {
  // Of the three products, a weight gradient takes the most columns.
  return Scratch<T>(rows, cols, block_cols(Transposed<T>{}, depth), depth).end;
}

template <class T>
void product(const RowMajor<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  if (part.rows.size() == 1 && part.cols.size() <= kTileCols<T> && depth.pairwise) {
    return row_product(a, b, part, depth, scratch, finish);
  }
  product_by_tiles(a, b, part, depth, scratch, finish, touched);
}

template <class T>
void product(const RowMajor<T>& a, const Transposed<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  if (depth.size == 1 && b.stride == 1) {  // one output: W is a line
    return outer_product(a, RowMajor<T>{b.data, b.stride}, part, scratch, finish);
  }
  product_by_tiles(a, b, part, depth, scratch, finish, touched);
}

template <class T>
void product(const Transposed<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched) {
  if (depth.size == 1) return outer_product(a, b, part, scratch, finish);
  product_by_tiles(a, b, part, depth, scratch, finish, touched);
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
