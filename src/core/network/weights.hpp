// The weights' phase of a step: the gradients of all parameters, each handed to what uses it, which
// stores it or updates the parameter at once. Private to the plan's own files.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/layers/normalization.hpp"
#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/network/workspace.hpp"
#include "core/products/block_gradient.hpp"
#include "core/products/few_rows.hpp"
#include "core/products/product.hpp"
#include "core/products/sums.hpp"
#include "core/tuning.hpp"
#include "core/updates/optimizers.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// g limited to [-limit, limit]; a limit of 0 is none.
template <class T>
Vec<T> clipped(Vec<T> g, T limit) {
  return limit > 0 ? max(min(g, Vec<T>(limit)), Vec<T>(-limit)) : g;
}

// Stores the gradient in `to`, laid out as the flat vector.
//
// As in FusedUpdate below: touches() tells which memory the gradient of a matrix of this stride, at
// offset `at`, will touch; operator() takes a register g of the gradient of the parameters at `at`.
// As in FusedUpdates: of() gives what does so for one array of parameters.
template <class T>
struct StoredGradient {
  T* to;
  T limit;  // of clipping by value; 0: none

  Touched<T> touches(Index at, Index stride) const { return {{to + at}, stride}; }
  template <class Lanes>
  void operator()(Index at, Vec<T> g, Lanes lanes) const {
    store(to + at, clipped(g, limit), lanes);
  }
  const StoredGradient& of(std::size_t, bool) const { return *this; }
};

// Updates parameters and optimizer state at once, and stores no gradient.
template <class T, class Rule>
struct FusedUpdate {
  Updated<T, Rule::kStates> updated;
  Rule rule;
  T limit;  // of clipping by value; 0: none

  Touched<T> touches(Index at, Index stride) const { return updated.touches(at, stride); }
  template <class Lanes>
  void operator()(Index at, Vec<T> g, Lanes lanes) const {
    updated.apply(rule, at, clipped(g, limit), lanes);
  }
};

// The same, by the rule of each array of parameters.
template <class T, class Rule>
struct FusedUpdates {
  Updated<T, Rule::kStates> updated;
  const StepRules<Rule>& rules;
  T limit;

  FusedUpdate<T, Rule> of(std::size_t array, bool is_weight) const {
    return {updated, rules.of(array, is_weight), limit};
  }
};

// Calls body(i, sum, lanes) on each register of a tile that has all columns of its matrix, as one
// vector: line after line, as the parameters lie in memory. Rejected: a register for each short
// line, which waits 90 cycles for the stores of the line before, in the same register's width.
template <class T, class Body>
void for_each_joined(const Tile<T> tile, const Body body) {
  T lines[(kBundleTiles * kTileRows + 1) * kTileCols<T>];
  for (Index r = 0; r < tile.rows; ++r) {  // the next line overwrites what this one has too much
    for (Index c = 0; c < kTileCols<T>; c += kLanes<T>) {
      store(lines + r * tile.cols + c, load(tile.line(r) + c, Whole{}), Whole{});
    }
  }
  for_each_vector<T>(tile.rows * tile.cols,
                     [&](Index i, auto lanes) { body(i, load(lines + i, Whole{}), lanes); });
}

// How these columns of a weight gradient xᵀ d are computed, for x (batch, inputs) and d (batch,
// outputs). Of one output it is dᵀ x: one line, as long as its sums have one chunk.
enum class GradientBy { Tiles, Blocks, Lines, OneLine };

template <class T>
GradientBy way_of_gradient(const Matrix<const T>& x, const Matrix<const T>& d, Range cols) {
  if (d.cols == 1 && d.rows <= kChunk) return GradientBy::OneLine;
  if (worth_blocks(x, d, cols)) return GradientBy::Blocks;
  return worth_lines(d, cols) ? GradientBy::Lines : GradientBy::Tiles;
}

// Computes this thread's part of the gradients of all parameters that learn, from x (batch, inputs)
// and d (batch, outputs) of each unit:
//   linear          dW (inputs, outputs) = xᵀ d      dbias (outputs) = 1ᵀ d
//   normalisation   dγ (outputs) = 1ᵀ (d ∘ x̂)        dβ (outputs) = 1ᵀ d
// Calls use(at, g, lanes) on each register g of them, where `at` is the offset of its first element
// in the flat vector, and `use` that of its array in `uses`. `batch` (batch, inputs) is the x of
// the first unit. `cuts`: the uses update weights, whose cells follow. Returns the number of tiles.
template <class T>
template <class Uses>
Index Plan<T>::weight_gradients(const Pass& pass, Matrix<const T> batch, const Factors& factors,
                                const Uses& uses, bool cuts) const {
  Index tiles = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const bool learns = unit.weight >= 0 && factors.learns(unit.array);
    const bool bias_learns = unit.bias >= 0 && factors.learns(unit.array + 1);
    if (!learns && !bias_learns) continue;
    const Index n = unit.outputs;
    const Matrix<const T> d{pass.d(u), pass.batch, n, n}, x = pass.input(u, unit, batch);
    const Part part = pass.weight_part(unit);
    const Range columns =  // of a bias, or of γ and β
        pass.sharing.by_columns(unit) ? part.cols : pass.team.share(n, kLanes<T>);
    const UnitCells<T>* const cells = pass.cells(unit);
    const bool sparse = pass.is_sparse(unit);
    const GradientBy way =
        sparse || cells != nullptr ? GradientBy::Tiles : way_of_gradient(x, d, part.cols);
    const bool by_tiles = unit.kind == Unit::Linear && way == GradientBy::Tiles;
    const Timer timer(by_tiles ? nullptr : pass.rest(u, Laps::WeightGradient));
    const auto use = uses.of(unit.array, unit.kind == Unit::Linear);
    if (learns && unit.kind == Unit::Linear) {
      const auto step = [use, first = unit.weight](Index i, Vec<T> g, auto lanes) {
        use(first + i, g, lanes);
      };
      const auto finish = [&](const Tile<T>& tile) {
        ++tiles;
        if (n < kTileCols<T> && n % kLanes<T> != 0) {
          for_each_joined(tile, [step, first = tile.row * n](Index i, Vec<T> g, auto lanes) {
            step(first + i, g, lanes);
          });
        } else {
          for_each_vector(tile, [step, n](Index row, Index col, Vec<T> g, auto lanes) {
            step(row * n + col, g, lanes);
          });
        }
        if (cuts && cells != nullptr) {
          cells->cut_weight(pass.weight(unit), part_of(tile), pass.weight_roles(u));
        }
      };
      if (by_tiles) {
        pass.product_of(u, Laps::WeightGradient, finish, [&](const Finish<T>& finished) {
          if (cells != nullptr) {
            return pass.multiply(cells->x_transposed, cells->d_right, part, pass.batch, finished);
          }
          const RowMajor<T> right{d.data, d.stride};
          if (sparse) {
            const SparseLines<T> lines = pass.work.sparse.transpose(pass.batch, part.rows);
            return pass.multiply(lines, right, part, pass.batch, finished);
          }
          pass.multiply(Transposed<T>{x.data, x.stride}, right, part, pass.batch, finished,
                        use.touches(unit.weight, n));
        });
      } else {
        tiles += part.rows.size() > 0 ? 1 : 0;
        const auto each = [step, n](Index row, Index col, Vec<T> g, auto lanes) {
          step(row * n + col, g, lanes);
        };
        if (way == GradientBy::OneLine) gradient_by_lines(d, x, Part{{0, 1}, part.rows}, each);
        if (way == GradientBy::Blocks) gradient_by_blocks(x, d, part, each);
        if (way == GradientBy::Lines) gradient_by_lines(x, d, part, each);
      }
    } else if (learns) {
      const bool by_row = unit.kind == Unit::LayerNorm;
      const RowStatistics<T>* row = pass.work.row_statistics[u].get();
      const T* mean = pass.mode.training ? pass.work.column_statistics[u].get()
                                         : pass.mode.running + std::max<Index>(unit.running, 0);
      const auto d_xhat = [&](Index i, Index c, auto lanes) {
        const Vec<T> value = load(x.row(i) + c, lanes), slope = load(d.row(i) + c, lanes);
        if (by_row) return slope * ((value - Vec<T>(row[i].mean)) * Vec<T>(row[i].inverse));
        const Vec<T> inverse = inverse_deviation(load(mean + n + c, lanes), unit.parameter);
        return slope * ((value - load(mean + c, lanes)) * inverse);
      };
      column_sums_of<T>(pass.batch, columns, d_xhat,
                        [&](Vec<T> g, Index c, auto lanes) { use(unit.weight + c, g, lanes); });
    }
    if (bias_learns) {
      const auto its_use = uses.of(unit.array + 1, false);
      column_sums<T>(d, columns,
                     [&](Vec<T> g, Index c, auto lanes) { its_use(unit.bias + c, g, lanes); });
    }
  }
  return tiles;
}

}  // namespace densenet
