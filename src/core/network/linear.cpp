// A linear unit's products in the rows' phase: y = x W and dx = d Wᵀ. And its x, W and d, cut into
// cells where these products are of bf16 pieces.
//
// Shapes and names are those of passes.cpp.
#include <cstddef>

#include "core/layers/activations.hpp"
#include "core/memory/views.hpp"
#include "core/network/cells.hpp"
#include "core/network/workspace.hpp"
#include "core/products/bf16_product.hpp"
#include "core/products/depth.hpp"
#include "core/products/operands.hpp"
#include "core/products/product.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// ---- cells -----------------------------------------------------------------------------------

// Cuts this thread's share of the weights whose products are of pieces, and meets the others.
template <class T>
void Plan<T>::cut_weights(const Pass& pass) const {
  bool any = false;
  for (const Unit& unit : units_) {
    const UnitCells<T>* const cells = pass.cells(unit);
    if (cells == nullptr || unit.is_rounded()) continue;
    any = true;
    const Timer timer(pass.rest(unit.index, Laps::Forward));
    const Part part{pass.team.share(unit.inputs, kBlockSide), {0, unit.outputs}};
    cells->cut_weight(pass.weight(unit), part, pass.weight_roles(unit.index));
  }
  if (any) pass.meet();
}

// Cuts this thread's rows of a unit's x (batch, inputs), if they have not been cut yet.
template <class T>
void Plan<T>::cut_x(const Pass& pass, std::size_t u, Matrix<const T> x, Readable& readable) const {
  const UnitCells<T>* const cells = pass.cells(units_[u]);
  if (cells == nullptr || (u > 0 && pass.sharing.in_blocks(u - 1))) return;
  pass.make_readable(false, readable);
  const Timer timer(pass.rest(u, Laps::Forward));
  cells->cut_x(x, {pass.rows, {0, x.cols}}, pass.x_roles(u));
  readable = Readable::OwnRows;
}

// Cuts what this thread has computed of a unit's d (batch, outputs), if it has not been cut yet.
template <class T>
void Plan<T>::cut_d(const Pass& pass, std::size_t u, Readable& readable) const {
  const Unit& unit = units_[u];
  const UnitCells<T>* const cells = pass.cells(unit);
  if (cells == nullptr || pass.sharing.in_blocks(u)) return;
  const bool columns = readable == Readable::OwnColumns;
  const Part part =
      columns ? Part{{0, pass.batch}, pass.own_outputs(unit)} : Part{pass.rows, {0, unit.outputs}};
  const Timer timer(pass.rest(u, Laps::InputGradient));
  cells->cut_d({pass.d(u), pass.batch, unit.outputs, unit.outputs}, part, pass.d_roles(u));
  readable = columns ? Readable::OwnColumns : Readable::OwnRows;
}

// ---- products --------------------------------------------------------------------------------

// y (batch, outputs) = activation(z) with z = x (batch, inputs) W (inputs, outputs) + bias
// (outputs). Stores z (batch, outputs), too, where the activation's derivative is computed from it.
template <class T>
void Plan<T>::linear_forward(const Pass& pass, std::size_t u, Matrix<const T> x) const {
  const Unit& unit = units_[u];
  const T* bias = unit.bias >= 0 ? pass.params + unit.bias : nullptr;
  const Index n = unit.outputs;
  T *z_out = pass.work.z[u].get(), *y_out = pass.y(u);
  with_activation<T>(unit.activation, [&](auto activation) {
    const auto put = [=](Index row, Index col, Vec<T> z, auto lanes) {
      const Index at = row * n + col;
      if (bias != nullptr) z = z + load(bias + col, lanes);
      if constexpr (kFromInput<decltype(activation)>) store(z_out + at, z, lanes);
      store(y_out + at, activation.forward(z), lanes);
    };
    if (pass.sharing.by_depth(unit)) {
      partial_sums(pass, u, x);
      pass.meet();
      return add_partial_sums(pass, u, put);
    }
    const UnitCells<T>* const cells = pass.cells(unit);
    const UnitCells<T>* const next =
        pass.sharing.in_blocks(u) ? pass.cells(units_[u + 1]) : nullptr;
    const auto finish = [&](const Tile<T>& tile) {
      for_each_vector(tile, put);
      if (next != nullptr) {
        next->cut_x({y_out, pass.batch, n, n}, part_of(tile), pass.x_roles(u + 1));
      }
    };
    pass.product_of(u, Laps::Forward, finish, [&](const Finish<T>& finished) {
      const Part part = pass.y_part(unit);
      const Depth depth = forward_depth(unit.inputs, n);
      if (cells != nullptr) {
        return pass.multiply(cells->x, cells->weight, part, unit.inputs, finished);
      }
      if (pass.is_sparse(unit)) {
        const RowMajor<T> weight{pass.params + unit.weight, n};
        return pass.multiply(pass.work.sparse.rows(), weight, part, depth, finished);
      }
      pass.multiply(x, unit, part, depth, finished, {{y_out}, n});
    });
  });
}

// Computes sums (batch, outputs) = x (batch, inputs) W (inputs, outputs) over this thread's part of
// the depth, which is the inputs.
template <class T>
void Plan<T>::partial_sums(const Pass& pass, std::size_t u, Matrix<const T> x) const {
  const Unit& unit = units_[u];
  const Index n = unit.outputs;
  T* const sums = pass.partial_sums(unit, pass.team.rank);
  const auto put = [=](Index row, Index col, Vec<T> sum, auto lanes) {
    store(sums + row * n + col, sum, lanes);
  };
  const auto finish = [&](const Tile<T>& tile) { for_each_vector(tile, put); };
  pass.product_of(u, Laps::Forward, finish, [&](const Finish<T>& finished) {
    pass.multiply(x, unit, Part{{0, pass.batch}, {0, n}}, pass.own_depth(unit), finished,
                  {{sums}, n});
  });
}

// Adds up all threads' sums (batch, outputs), pairwise, for this thread's rows. Calls put(row,
// column, sum, lanes) on each register.
template <class T>
template <class Put>
void Plan<T>::add_partial_sums(const Pass& pass, std::size_t u, const Put& put) const {
  const Unit& unit = units_[u];
  const Index n = unit.outputs, threads = pass.team.size;
  const Timer timer(pass.rest(u, Laps::Forward));
  for (Index i = pass.rows.begin; i < pass.rows.end; ++i) {
    for_each_vector<T>(n, [&](Index c, auto lanes) {
      Vec<T> sums[kMostDepthThreads];
      for (Index t = 0; t < threads; ++t) {
        sums[t] = load(pass.partial_sums(unit, t) + i * n + c, lanes);
      }
      put(i, c, add_pairwise(sums, threads), lanes);
    });
  }
}

// dx (batch, inputs) = d (batch, outputs) Wᵀ (outputs, inputs), times the derivative of the
// activation of the unit before, which is computed from its y or z (batch, inputs).
template <class T>
void Plan<T>::linear_backward(const Pass& pass, std::size_t u, T* dx) const {
  const Unit& unit = units_[u];
  const Activation before = u > 0 ? units_[u - 1].activation : Activation{};
  with_activation<T>(before, [&](auto rule) {
    const T* from = nullptr;
    if (before.number != kIdentity) {
      from = kFromInput<decltype(rule)> ? pass.work.z[u - 1].get() : pass.y(u - 1);
    }
    const auto put = [=, n = unit.inputs](Index row, Index col, Vec<T> sum, auto lanes) {
      const Index at = row * n + col;
      if (from != nullptr) sum = sum * rule.derivative(load(from + at, lanes));
      store(dx + at, sum, lanes);
    };
    const UnitCells<T>* const cells = pass.cells(unit);
    const UnitCells<T>* const next =
        u > 0 && pass.sharing.in_blocks(u - 1) ? pass.cells(units_[u - 1]) : nullptr;
    const Index n = unit.inputs;
    const auto finish = [&](const Tile<T>& tile) {
      for_each_vector(tile, put);
      if (next != nullptr) next->cut_d({dx, pass.batch, n, n}, part_of(tile), pass.d_roles(u - 1));
    };
    pass.product_of(u, Laps::InputGradient, finish, [&](const Finish<T>& finished) {
      const Part part = pass.dx_part(unit);
      if (cells != nullptr) {
        return pass.multiply(cells->d, cells->weight_transposed, part, unit.outputs, finished);
      }
      pass.multiply(RowMajor<T>{pass.d(u), unit.outputs},
                    Transposed<T>{pass.params + unit.weight, unit.outputs}, part, unit.outputs,
                    finished, {{dx, from}, n});
    });
  });
}

// What the other files of the plan call.
template void Plan<float>::cut_weights(const Pass&) const;
template void Plan<float>::cut_x(const Pass&, std::size_t, Matrix<const float>, Readable&) const;
template void Plan<float>::cut_d(const Pass&, std::size_t, Readable&) const;
template void Plan<float>::linear_forward(const Pass&, std::size_t, Matrix<const float>) const;
template void Plan<float>::linear_backward(const Pass&, std::size_t, float*) const;
template void Plan<double>::cut_weights(const Pass&) const;
template void Plan<double>::cut_x(const Pass&, std::size_t, Matrix<const double>, Readable&) const;
template void Plan<double>::cut_d(const Pass&, std::size_t, Readable&) const;
template void Plan<double>::linear_forward(const Pass&, std::size_t, Matrix<const double>) const;
template void Plan<double>::linear_backward(const Pass&, std::size_t, double*) const;

}  // namespace densenet
