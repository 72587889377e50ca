// The weights' phase of a step: private to the plan's own files.
#pragma once

#include <algorithm>

#include "core/network/workspace.hpp"
#include "core/products/few_rows.hpp"

namespace densenet {

// What becomes of a gradient: it is stored, or a step down it is taken at once.
template <class T>
Vec<T> clipped(Vec<T> g, T limit) {
  return limit > 0 ? max(min(g, Vec<T>(limit)), Vec<T>(-limit)) : g;
}

template <class T>
struct StoredGradient {
  T* to;
  T limit;  // 0: none

  Touched<T> touches(Index at, Index stride) const { return {{to + at}, stride}; }
  template <class Lanes>
  void operator()(Index at, Vec<T> g, Lanes lanes, bool) const {
    store(to + at, clipped(g, limit), lanes);
  }
};

template <class T, class Rule>
struct FusedUpdate {
  Updated<T, Rule::kStates> updated;
  Rule rule, bias_rule;
  T limit;  // 0: none

  Touched<T> touches(Index at, Index stride) const { return updated.touches(at, stride); }
  template <class Lanes>
  void operator()(Index at, Vec<T> g, Lanes lanes, bool is_weight) const {
    updated.apply(is_weight ? rule : bias_rule, at, clipped(g, limit), lanes);
  }
};

// Calls body(i, sum, lanes) on each register of a tile of all columns, line after line as its
// parameters lie in memory. (In a register of its own, a short line would wait for the stores of
// the line before, which share a register's width with it: 90 cycles each. A step of 128-10 with a
// batch of 128 took 20.9 us on one thread, and 16.7 joined.)
template <class T, class Body>
void for_each_joined(const Tile<T> tile, const Body body) {
  T lines[(kGroup * kTileRows + 1) * kTileCols<T>];
  for (Index r = 0; r < tile.rows; ++r) {  // what is too much is overwritten by the next
    for (Index c = 0; c < kTileCols<T>; c += kLanes<T>) {
      store(lines + r * tile.cols + c, load(tile.line(r) + c, Whole{}), Whole{});
    }
  }
  for_each_vector<T>(tile.rows * tile.cols,
                     [&](Index i, auto lanes) { body(i, load(lines + i, Whole{}), lanes); });
}

// Hands each register of this thread's part of the gradient to `use`, with the place of its first
// element in the flat vector. Returns the number of tiles.
template <class T>
template <class Use>
Index Plan<T>::weight_gradients(const Pass& pass, Matrix<const T> batch, const Use& use) const {
  Index tiles = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    if (unit.weight < 0) continue;
    const Index n = unit.outputs;
    const Matrix<const T> d{pass.d(u), pass.batch, n, n}, x = pass.input(u, unit, batch);
    const Part part = pass.weight_part(unit);
    const Range columns =
        pass.sharing.outputs(unit) ? part.cols : pass.team.share(n, kLanes<T>);  // of a bias
    const bool by_tiles = unit.kind == Unit::Linear && !worth_lines<T>(part, n, pass.batch);
    const Timer timer(by_tiles ? nullptr : pass.rest(u, Laps::WeightGradient));
    if (unit.kind == Unit::Linear) {
      // dW = xᵀ d
      const auto step = [use, first = unit.weight](Index i, Vec<T> g, auto lanes) {
        use(first + i, g, lanes, true);
      };
      const auto finish = [&](const Tile<T>& tile) {
        ++tiles;
        if (tile.cols == n && n % kLanes<T> != 0) {
          return for_each_joined(tile, [step, first = tile.row * n](Index i, Vec<T> g, auto lanes) {
            step(first + i, g, lanes);
          });
        }
        for_each_vector(tile, [step, n](Index row, Index col, Vec<T> g, auto lanes) {
          step(row * n + col, g, lanes);
        });
      };
      if (by_tiles) {
        pass.product_of(u, Laps::WeightGradient, finish, [&](const Finish<T>& finished) {
          product<T>(Transposed<T>{x.data, x.stride}, RowMajor<T>{d.data, d.stride}, part,
                     pass.batch, pass.scratch(), finished, use.touches(unit.weight, n));
        });
      } else {
        tiles += part.rows.size() > 0 ? 1 : 0;
        gradient_by_lines(x, d, part, [step, n](Index row, Index col, Vec<T> g, auto lanes) {
          step(row * n + col, g, lanes);
        });
      }
    } else {
      // dγ = Σ d ∘ x̂
      const bool by_row = unit.kind == Unit::LayerNorm;
      const Moments<T>* moments = pass.work.moments[u].get();
      const T* mean = pass.mode.training ? pass.work.columns[u].get()
                                         : pass.mode.running + std::max<Index>(unit.running, 0);
      const auto along = [&](Index i, Index c, auto lanes) {
        const Vec<T> value = load(x.row(i) + c, lanes), slope = load(d.row(i) + c, lanes);
        if (by_row) return slope * ((value - Vec<T>(moments[i].mean)) * Vec<T>(moments[i].inverse));
        const Vec<T> inverse = inverse_deviation(load(mean + n + c, lanes), unit.parameter);
        return slope * ((value - load(mean + c, lanes)) * inverse);
      };
      column_sums_of<T>(pass.batch, columns, along, [&](Vec<T> g, Index c, auto lanes) {
        use(unit.weight + c, g, lanes, false);
      });
    }
    if (unit.bias >= 0) {
      column_sums<T>(d, columns,
                     [&](Vec<T> g, Index c, auto lanes) { use(unit.bias + c, g, lanes, false); });
    }
  }
  return tiles;
}

}  // namespace densenet
