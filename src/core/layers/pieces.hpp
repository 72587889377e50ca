// A column of numbers as its place in its range, piece by piece (densenet.reference.pieces).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "core/vectors/index.hpp"

namespace densenet {

// The edges of a column's pieces, e_0 < ... < e_n, and what its cells are compared with.
class Pieces {
 public:
  Pieces(const double* edges, Index pieces, double fill, double center, double scale, bool gaps)
      : edges_(edges),
        pieces_(pieces),
        fill_(fill),
        half_center_(center / 2),
        half_scale_(std::max(scale / 2, kLeast)),
        gaps_(gaps) {
    while (2 * stride_ < pieces) stride_ *= 2;
    inner_.assign(static_cast<std::size_t>(2 * stride_), std::numeric_limits<double>::quiet_NaN());
    std::copy(edges + 1, edges + pieces, inner_.begin());
    stairs_.assign(static_cast<std::size_t>(2 * pieces), 0.0f);
    std::fill_n(stairs_.begin(), pieces, 1.0f);
  }

  // Features of a row: the cell as a whole if there are several pieces, each piece, the gap.
  Index width() const { return (pieces_ > 1) + pieces_ + gaps_; }

  // Writes the features of a cell, NaN where it is missing.
  void encode(double cell, float* to) const {
    const bool missing = cell != cell;
    const double x = missing ? fill_ : cell, half = x / 2;  // no difference of halves overflows
    if (pieces_ > 1) {
      const double z = std::clamp((half - half_center_) / half_scale_, -kFurthest, kFurthest);
      const double third = z / 3;
      *to++ = static_cast<float>(z / std::sqrt(1 + third * third));
    }
    const Index at = place(x);
    const double low = edges_[at] / 2, width = std::max(edges_[at + 1] / 2 - low, kLeast);
    std::memcpy(to, stairs_.data() + pieces_ - at, static_cast<std::size_t>(pieces_) * sizeof(*to));
    to[at] = static_cast<float>(std::clamp((half - low) / width, 0.0, 1.0));
    if (gaps_) to[pieces_] = missing ? 1.0f : 0.0f;
  }

 private:
  // The least of all widths is 0 when halved, and so is every distance within it.
  static constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  static constexpr double kFurthest = 1e6;  // scales at which the smooth clip has come to rest

  // How many of the inner edges are at most x. Without a branch: where x lies, nobody can foresee.
  Index place(double x) const {
    Index at = 0;
    for (Index by = stride_; by > 0; by /= 2) at += inner_[at + by - 1] <= x ? by : 0;
    return at;
  }

  const double* edges_;
  Index pieces_;
  double fill_, half_center_, half_scale_;
  bool gaps_;
  Index stride_ = 1;           // the power of two with which the search begins
  std::vector<double> inner_;  // NaN behind them, which is not at most anything
  std::vector<float> stairs_;  // ones and zeros, as many as there are pieces
};

}  // namespace densenet
