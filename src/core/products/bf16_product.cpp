// The loops around the matrix registers: in which order blocks of C are computed, and when the
// cells of the operands are made.
//
//   over_columns  takes kBf16Cols columns of C at a time and, for these, groups of rows whose cells
//   of
//                 A stay in the second-level cache
//   over_depth    takes each chunk of the depth and makes its cells of A; then takes each strip of
//                 32 columns. Cells of B are made for some strips together; all groups share them
//   block         computes 32 x 32 sums: they stay in matrix registers for a chunk
#include "core/products/bf16_product.hpp"

#include "core/vectors/amx.hpp"

#if DENSENET_AMX

#include <algorithm>

#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/products/bf16_cells.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

constexpr Index kBlock = kBlockSide * kBlockSide;
static_assert(kTileCols<float> == kBlockSide, "a block of sums is a tile");

constexpr Index blocks_of(Index n) { return (n + kBlockSide - 1) / kBlockSide; }

// How a product is cut up, and the layout of its scratch memory, in floats.
struct Layout {
  Index chunk;            // cells of a chunk of the depth
  Index rows, cols;       // blocks of a group of rows, and of columns
  Index cells;            // of the depth
  Index sums, a, b, end;  // a finished block at 0; sums that wait; cells of A, cells of B; size

  Layout(Index all_rows, Index all_cols, Index depth, int pieces) : cells(blocks_of(depth)) {
    chunk = std::min(cells, kBf16Chunk / pieces);
    rows = std::min(blocks_of(all_rows), kBf16Rows);
    cols = std::min(blocks_of(all_cols), kBf16Cols);
    const Index cell = pieces * amx::kNumbers;  // two registers of half a float each
    sums = kBlock;
    a = sums + (chunk < cells ? rows * cols * kBlock : 0);
    b = a + rows * chunk * cell;
    // Cells of B serve one group of rows or, kept for the whole depth, all of them.
    const bool keeps = blocks_of(all_rows) > rows;
    end = b + (keeps ? cols * cells : std::min(cols, kBf16Strips) * chunk) * cell;
  }
};

// One product, or a thread's part of it.
template <int Pieces, class A, class B>
class Bf16Product {
 public:
  Bf16Product(const A& a, const B& b, const Part& part, Index depth, float* memory,
              const Finish<float>& finish, const Touched<float>& touched)
      : a_(a),
        b_(b),
        part_(part),
        depth_(depth),
        memory_(memory),
        finish_(finish),
        touched_(touched),
        at_(part.rows.size(), part.cols.size(), depth, Pieces) {}

  void over_columns() const {
    const amx::InUse in_use;
    const Index width = at_.cols * kBlockSide;
    for (Index col = part_.cols.begin; col < part_.cols.end; col += width) {
      const Range cols{col, std::min(col + width, part_.cols.end)};
      for (Index row = part_.rows.begin; row < part_.rows.end; row += at_.rows * kBlockSide) {
        over_depth({row, std::min(row + at_.rows * kBlockSide, part_.rows.end)}, cols);
      }
    }
  }

 private:
  void over_depth(Range rows, Range cols) const {
    const bool first = rows.begin == part_.rows.begin;
    for (Index cell = 0; cell < at_.cells; cell += at_.chunk) {
      const Range cells{cell, std::min(cell + at_.chunk, at_.cells)};
      make_left_cells(rows, cells);
      for (Index col = cols.begin; col < cols.end; col += kBlockSide) {
        const Index strip = (col - cols.begin) / kBlockSide;
        const Range its_cols{col, std::min(col + kBlockSide, cols.end)};
        amx::Bf16* const right = right_cells(strip, cell);
        if ((first || !keeps()) && strip % kBf16Strips == 0) {
          make_right_cells({col, std::min(col + kBf16Strips * kBlockSide, cols.end)}, cells, right);
        }
        for (Index row = rows.begin; row < rows.end; row += kBlockSide) {
          const Index number = (row - rows.begin) / kBlockSide;
          block({row, std::min(row + kBlockSide, rows.end)}, its_cols, cells,
                left_cells() + number * at_.chunk * kCell<Pieces>, right,
                memory_ + at_.sums + (number * at_.cols + strip) * kBlock);
        }
      }
    }
  }

  bool keeps() const { return part_.rows.size() > at_.rows * kBlockSide; }
  // Cells from one strip of B to the next.
  Index strip_step() const { return keeps() ? at_.cells : at_.chunk; }
  amx::Bf16* left_cells() const { return reinterpret_cast<amx::Bf16*>(memory_ + at_.a); }
  amx::Bf16* right_cells(Index strip, Index cell) const {
    auto* const all = reinterpret_cast<amx::Bf16*>(memory_ + at_.b);
    const Index first = keeps() ? strip * at_.cells + cell : strip % kBf16Strips * at_.chunk;
    return all + first * kCell<Pieces>;
  }

  void make_left_cells(Range rows, Range cells) const {
    amx::Bf16* to = left_cells();
    for (Index row = rows.begin; row < rows.end; row += kBlockSide) {
      amx::Bf16* cell = to;
      for (Index c = cells.begin; c < cells.end; ++c, cell += kCell<Pieces>) {
        make_left_cell<Pieces>(a_, row, std::min(kBlockSide, rows.end - row), c * kBlockSide,
                               depth_ - c * kBlockSide, cell);
      }
      to += at_.chunk * kCell<Pieces>;
    }
  }
  // Those of some strips side by side, so that more of each line of memory is read at once.
  void make_right_cells(Range cols, Range cells, amx::Bf16* to) const {
    for (Index c = cells.begin; c < cells.end; ++c, to += kCell<Pieces>) {
      amx::Bf16* cell = to;
      for (Index col = cols.begin; col < cols.end; col += kBlockSide) {
        make_right_cell<Pieces>(b_, c * kBlockSide, depth_ - c * kBlockSide, col,
                                std::min(kBlockSide, cols.end - col), cell);
        cell += strip_step() * kCell<Pieces>;
      }
    }
  }

  // Adds the terms of these cells to a block of sums, which wait in `waiting` for more of them.
  void block(Range rows, Range cols, Range cells, const amx::Bf16* left, const amx::Bf16* right,
             float* waiting) const {
    const bool last = cells.end == at_.cells;
    float* const to = last ? memory_ : waiting;
    const float* const before = cells.begin > 0 ? waiting : nullptr;
    const bool low = rows.size() > amx::kLines, wide = cols.size() > amx::kLines;
    const Index touches = last ? rows.size() : 0;
    const auto task =
        Task{cells.size(), left, right, before, to, touches, touched_.from(rows.begin, cols.begin)};
    if (low && wide) {
      sums<true, true>(task);
    } else if (low) {
      sums<true, false>(task);
    } else if (wide) {
      sums<false, true>(task);
    } else {
      sums<false, false>(task);
    }
    if (last) finish_(Tile<float>{memory_, rows.begin, cols.begin, rows.size(), cols.size()});
  }

  // What sums() computes: `cells` of both operands; the sums before them, or null; where the sums
  // go; and so many rows that finish() will touch, which are fetched meanwhile.
  struct Task {
    Index cells;
    const amx::Bf16 *left, *right;
    const float* before;
    float* to;
    Index rows;
    Touched<float> touched;

    // Fetches this cell's share of the rows.
    void fetch(Index cell) const {
      for (Index row = rows * cell / cells; row < rows * (cell + 1) / cells; ++row) {
        for (const float* array : touched.array) {
          if (array == nullptr) break;
          prefetch(array + row * touched.stride);
          prefetch(array + row * touched.stride + amx::kLines);
        }
      }
    }
  };

  // Registers 0 to 3 hold the sums: of upper and lower rows, of left and right columns. Low: there
  // are lower rows; Wide: there are right columns.
  template <bool Low, bool Wide>
  static void sums(const Task& task) {
    const amx::Bf16 *left = task.left, *right = task.right;
    const float* const before = task.before;
    float* const to = task.to;
    constexpr Index kStride = kBlockSide * static_cast<Index>(sizeof(float));
    constexpr Index kDown = amx::kLines * kBlockSide;
    if (before != nullptr) {
      amx::load<0>(before, kStride);
      if constexpr (Wide) amx::load<1>(before + amx::kLines, kStride);
      if constexpr (Low) amx::load<2>(before + kDown, kStride);
      if constexpr (Low && Wide) amx::load<3>(before + kDown + amx::kLines, kStride);
    } else {
      amx::zero<0>();
      amx::zero<1>();
      amx::zero<2>();
      amx::zero<3>();
    }
    const auto load_left = [&](Index piece) {
      amx::load<4>(left + piece * 2 * amx::kNumbers);
      if constexpr (Low) amx::load<5>(left + (piece * 2 + 1) * amx::kNumbers);
    };
    const auto load_right = [&](Index piece) {
      amx::load<6>(right + piece * 2 * amx::kNumbers);
      if constexpr (Wide) amx::load<7>(right + (piece * 2 + 1) * amx::kNumbers);
    };
    const auto multiply = [] {
      amx::multiply_add<0, 4, 6>();
      if constexpr (Wide) amx::multiply_add<1, 4, 7>();
      if constexpr (Low) amx::multiply_add<2, 5, 6>();
      if constexpr (Low && Wide) amx::multiply_add<3, 5, 7>();
    };
    for (Index cell = 0; cell < task.cells; ++cell) {
      task.fetch(cell);
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
    amx::store<0>(to, kStride);
    if constexpr (Wide) amx::store<1>(to + amx::kLines, kStride);
    if constexpr (Low) amx::store<2>(to + kDown, kStride);
    if constexpr (Low && Wide) amx::store<3>(to + kDown + amx::kLines, kStride);
  }

  const A a_;
  const B b_;
  const Part part_;
  const Index depth_;
  float* const memory_;
  const Finish<float>& finish_;
  const Touched<float>& touched_;
  const Layout at_;
};

template <class A, class B>
void by_pieces(const A& a, const B& b, const Part& part, Index depth, int pieces, float* memory,
               const Finish<float>& finish, const Touched<float>& touched) {
  if (part.rows.size() == 0 || part.cols.size() == 0) return;
  if (pieces == 1) {
    Bf16Product<1, A, B>(a, b, part, depth, memory, finish, touched).over_columns();
  } else {
    Bf16Product<2, A, B>(a, b, part, depth, memory, finish, touched).over_columns();
  }
}

}  // namespace

bool has_bf16_products() { return amx::granted(); }

Index bf16_scratch(Index rows, Index cols, Index depth, int pieces) {
  return Layout(rows, cols, depth, pieces).end;
}

#else

namespace densenet {

bool has_bf16_products() { return false; }
Index bf16_scratch(Index, Index, Index, int) { return 0; }

namespace {
template <class A, class B>
void by_pieces(const A&, const B&, const Part&, Index, int, float*, const Finish<float>&,
               const Touched<float>&) {}  // nobody calls it
}  // namespace

#endif

void bf16_product(const RowMajor<float>& a, const RowMajor<float>& b, const Part& part, Index depth,
                  int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched) {
  by_pieces(a, b, part, depth, pieces, scratch, finish, touched);
}
void bf16_product(const RowMajor<float>& a, const Transposed<float>& b, const Part& part,
                  Index depth, int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched) {
  by_pieces(a, b, part, depth, pieces, scratch, finish, touched);
}
void bf16_product(const Transposed<float>& a, const RowMajor<float>& b, const Part& part,
                  Index depth, int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched) {
  by_pieces(a, b, part, depth, pieces, scratch, finish, touched);
}

}  // namespace densenet
