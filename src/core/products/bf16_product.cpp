// The loops around the matrix registers: in which order blocks of C are computed.
//
//   over_rows     takes groups of rows, and so much of the depth that a group's cells of A stay in
//                 the second-level cache
//   over_columns  takes bundles of strips, each of 32 columns, and hands a group's rows of a bundle
//                 to finish() together, so that it goes along lines of memory
//   strip         cuts the depth into chunks whose cells of B stay in the first-level cache, and
//                 computes a chunk of all rows before the next
//   block         computes 32 x 32 sums: they stay in matrix registers for a chunk
//
// Rejected: fetching the memory that finish() will touch. Lines of a bundle are long, so that the
// processor foresees them, and it can fetch more at a time than a program can ask for.
#include "core/products/bf16_product.hpp"

#include "core/vectors/amx.hpp"

#if DENSENET_AMX

#include <algorithm>

#include "core/memory/views.hpp"
#include "core/products/bf16_cells.hpp"
#include "core/tuning.hpp"

namespace densenet {

namespace {

constexpr Index kBlock = kBlockSide * kBlockSide;
static_assert(kTileCols<float> == kBlockSide, "a block of sums is a tile");

// How a product is cut up. Scratch memory holds the sums of a group's rows: of a bundle or, where
// they wait for more of the depth, of all columns. The blocks of a strip follow each other.
struct Layout {
  Index cells, deep, chunk;  // cells of the depth, of a part of it, and of a chunk of that
  Index rows, strips;        // blocks of a group of rows, and of a bundle

  Layout(Index all_rows, Index cols, Index depth, int pieces) : cells(blocks_of(depth)) {
    deep = std::min(cells, kBf16Deep / pieces);
    chunk = std::min(cells, kBf16Chunk / pieces);
    rows = std::min(blocks_of(all_rows), kBf16Rows);
    strips = std::min(blocks_of(cols), kBf16Strips);
  }
  bool in_parts() const { return deep < cells; }
  Index scratch(Index cols) const {
    return kBlock * rows * (in_parts() ? blocks_of(cols) : strips);
  }
};

// Fetches a strip's cells of B into the second-level cache, some at each step along the depth of
// each block: a group of rows together fetches all.
template <int Pieces>
class CellFetching {
 public:
  explicit CellFetching(const amx::Bf16* cells) : from_(cells) {}
  // (Always inlined: GCC 12 takes it for a function without effect.)
  EIGEN_ALWAYS_INLINE void step() {
    for (Index i = 0; i < kEach; i += kLine) _mm_prefetch(from_ + i, _MM_HINT_T1);
    from_ += kEach;
  }

 private:
  static constexpr Index kEach = kCell<Pieces> / kBf16Rows;  // numbers
  static constexpr Index kLine = 64 / static_cast<Index>(sizeof(amx::Bf16));

  const amx::Bf16* from_;
};

// One product, or a thread's part of it.
template <int Pieces>
class Bf16Product {
 public:
  Bf16Product(const Cells& a, const Cells& b, const Part& part, Index depth, float* memory,
              const Finish<float>& finish)
      : a_(a),
        b_(b),
        part_(part),
        memory_(memory),
        finish_(finish),
        at_(part.rows.size(), part.cols.size(), depth, Pieces) {}

  void over_rows() const {
    const amx::InUse in_use;
    const Index height = at_.rows * kBlockSide;
    for (Index row = part_.rows.begin; row < part_.rows.end; row += height) {
      const Range rows{row, std::min(row + height, part_.rows.end)};
      for (Index cell = 0; cell < at_.cells; cell += at_.deep) {
        over_columns(rows, {cell, std::min(cell + at_.deep, at_.cells)});
      }
    }
  }

 private:
  void over_columns(Range rows, Range cells) const {
    const Index group = blocks_of(rows.size()), width = at_.strips * kBlockSide;
    float* sums = memory_;
    for (Index col = part_.cols.begin; col < part_.cols.end; col += width) {
      const Range cols{col, std::min(col + width, part_.cols.end)};
      const Index strips = blocks_of(cols.size());
      for (Index s = 0; s < strips; ++s) {
        const Index begin = col + s * kBlockSide;
        strip(rows, {begin, std::min(begin + kBlockSide, cols.end)}, cells,
              sums + s * group * kBlock);
      }
      for (Index r = 0; r < group && cells.end == at_.cells; ++r) {
        const Index begin = rows.begin + r * kBlockSide;
        finish_(Tile<float>{sums + r * kBlock, begin, col, std::min(kBlockSide, rows.end - begin),
                            cols.size(), group * kBlock});
      }
      if (at_.in_parts()) sums += strips * group * kBlock;
    }
  }

  void strip(Range rows, Range cols, Range cells, float* sums) const {
    const Index number = cols.begin / kBlockSide;
    const bool more = cols.end < part_.cols.end;
    CellFetching<Pieces> fetching(b_.at(more ? number + 1 : number, cells.begin));
    for (Index cell = cells.begin; cell < cells.end; cell += at_.chunk) {
      const Index count = std::min(at_.chunk, cells.end - cell);
      const amx::Bf16* const right = b_.at(number, cell);
      float* block_sums = sums;
      for (Index row = rows.begin; row < rows.end; row += kBlockSide, block_sums += kBlock) {
        const bool low = rows.end - row > amx::kLines, wide = cols.size() > amx::kLines;
        const Task task{count, a_.at(row / kBlockSide, cell), right, block_sums, cell > 0};
        if (low && wide) {
          block<true, true>(task, fetching);
        } else if (low) {
          block<true, false>(task, fetching);
        } else if (wide) {
          block<false, true>(task, fetching);
        } else {
          block<false, false>(task, fetching);
        }
      }
    }
  }

  // What block() computes: `cells` of both operands, added to the sums if there are any before.
  struct Task {
    Index cells;
    const amx::Bf16 *left, *right;
    float* sums;
    bool adds;
  };

  // Registers 0 to 3 hold the sums: of upper and lower rows, of left and right columns. Low: there
  // are lower rows; Wide: there are right columns.
  template <bool Low, bool Wide>
  static void block(const Task& task, CellFetching<Pieces>& fetching) {
    const amx::Bf16 *left = task.left, *right = task.right;
    float* const sums = task.sums;
    constexpr Index kStride = kBlockSide * static_cast<Index>(sizeof(float));
    constexpr Index kDown = amx::kLines * kBlockSide;
    if (task.adds) {
      amx::load<0>(sums, kStride);
      if constexpr (Wide) amx::load<1>(sums + amx::kLines, kStride);
      if constexpr (Low) amx::load<2>(sums + kDown, kStride);
      if constexpr (Low && Wide) amx::load<3>(sums + kDown + amx::kLines, kStride);
    } else {
      amx::zero<0>();
      amx::zero<1>();
      amx::zero<2>();
      amx::zero<3>();
    }
    const auto load_left = [&](Index piece) {
      amx::load<4>(left + piece * kCellPiece);
      if constexpr (Low) amx::load<5>(left + piece * kCellPiece + amx::kNumbers);
    };
    const auto load_right = [&](Index piece) {
      amx::load<6>(right + piece * kCellPiece);
      if constexpr (Wide) amx::load<7>(right + piece * kCellPiece + amx::kNumbers);
    };
    const auto multiply = [] {
      amx::multiply_add<0, 4, 6>();
      if constexpr (Wide) amx::multiply_add<1, 4, 7>();
      if constexpr (Low) amx::multiply_add<2, 5, 6>();
      if constexpr (Low && Wide) amx::multiply_add<3, 5, 7>();
    };
    for (Index cell = 0; cell < task.cells; ++cell) {
      fetching.step();
      load_right(0);
      if constexpr (Pieces == 2) {
        load_left(1);
        multiply();
      }
      load_left(0);
      multiply();
      if constexpr (Pieces == 2) {
        load_right(1);
        multiply();
      }
      left += kCell<Pieces>;
      right += kCell<Pieces>;
    }
    amx::store<0>(sums, kStride);
    if constexpr (Wide) amx::store<1>(sums + amx::kLines, kStride);
    if constexpr (Low) amx::store<2>(sums + kDown, kStride);
    if constexpr (Low && Wide) amx::store<3>(sums + kDown + amx::kLines, kStride);
  }

  const Cells a_, b_;
  const Part part_;
  float* const memory_;
  const Finish<float>& finish_;
  const Layout at_;
};

// Cuts the cell at this block and step from lines of memory along the depth, or across it.
template <bool Transposes>
void cut_along(const float* from, Index stride, Range lines, Range depth, const Cells& cells) {
  amx::Bf16* const to = cells.at(lines.begin / kBlockSide, depth.begin / kBlockSide);
  cells.pieces == 1
      ? cell_along<1, Transposes>(from, stride, lines.size(), depth.size(), to, cells.far)
      : cell_along<2, Transposes>(from, stride, lines.size(), depth.size(), to, cells.far);
}
template <bool Transposes>
void cut_across(const float* from, Index stride, Range lines, Range depth, const Cells& cells) {
  amx::Bf16* const to = cells.at(lines.begin / kBlockSide, depth.begin / kBlockSide);
  cells.pieces == 1
      ? cell_across<1, Transposes>(from, stride, lines.size(), depth.size(), to, cells.far)
      : cell_across<2, Transposes>(from, stride, lines.size(), depth.size(), to, cells.far);
}

}  // namespace

bool has_bf16_products() { return amx::granted(); }

Index bf16_scratch(Index rows, Index cols, Index depth, int pieces) {
  return Layout(rows, cols, depth, pieces).scratch(cols);
}

void cut_left(const RowMajor<float>& a, const Part& block, const Cells& cells) {
  const auto [rows, steps] = block;
  cut_along<false>(a.at(rows.begin, steps.begin), a.stride, rows, steps, cells);
}
void cut_left(const Transposed<float>& a, const Part& block, const Cells& cells) {
  const auto [rows, steps] = block;
  cut_across<true>(a.at(rows.begin, steps.begin), a.stride, rows, steps, cells);
}
void cut_right(const RowMajor<float>& b, const Part& block, const Cells& cells) {
  const auto [steps, cols] = block;
  cut_across<false>(b.at(steps.begin, cols.begin), b.stride, cols, steps, cells);
}
void cut_right(const Transposed<float>& b, const Part& block, const Cells& cells) {
  const auto [steps, cols] = block;
  cut_along<true>(b.at(steps.begin, cols.begin), b.stride, cols, steps, cells);
}
void settle() { _mm_sfence(); }

void bf16_product(const Cells& a, const Cells& b, const Part& part, Index depth, float* scratch,
                  const Finish<float>& finish) {
  if (part.rows.size() == 0 || part.cols.size() == 0) return;
  if (a.pieces == 1) {
    Bf16Product<1>(a, b, part, depth, scratch, finish).over_rows();
  } else {
    Bf16Product<2>(a, b, part, depth, scratch, finish).over_rows();
  }
}

}  // namespace densenet

#else

namespace densenet {

// Nobody calls the others where the first says no.
bool has_bf16_products() { return false; }
Index bf16_scratch(Index, Index, Index, int) { return 0; }
void cut_left(const RowMajor<float>&, const Part&, const Cells&) {}
void cut_left(const Transposed<float>&, const Part&, const Cells&) {}
void cut_right(const RowMajor<float>&, const Part&, const Cells&) {}
void cut_right(const Transposed<float>&, const Part&, const Cells&) {}
void settle() {}
void bf16_product(const Cells&, const Cells&, const Part&, Index, float*, const Finish<float>&) {}

}  // namespace densenet

#endif
