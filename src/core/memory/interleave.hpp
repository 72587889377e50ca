// Moves lines of memory into lanes and back: element i of all lines lies in one vector register.
#pragma once

#include <Eigen/Core>
#include <algorithm>

#include "core/vectors/simd.hpp"

namespace densenet {

namespace detail {

// A square of kLanes registers, whose rows become its columns.
template <class T>
struct Square {
  static constexpr int kSide = static_cast<int>(kLanes<T>);
  Eigen::internal::PacketBlock<Packet<T>, kSide> rows;

  void transpose() {
    if constexpr (kSide > 1) Eigen::internal::ptranspose(rows);
  }
};

}  // namespace detail

// to[i * kLanes + lane] = lines[lane][i], for n elements of `count` lines. Other lanes become 0.
template <class T>
void interleave(const T* const* lines, Index count, Index n, T* to) {
  for_each_vector<T>(n, [&](Index i, auto lanes) {
    detail::Square<T> square;
    for (Index lane = 0; lane < kLanes<T>; ++lane) {
      const Vec<T> line = lane < count ? load(lines[lane] + i, lanes) : Vec<T>(T(0));
      square.rows.packet[lane] = line.packet;
    }
    square.transpose();
    for (Index k = 0; k < std::min(kLanes<T>, n - i); ++k) {
      store(to + (i + k) * kLanes<T>, Vec<T>(square.rows.packet[k]), Whole{});
    }
  });
}

// lines[lane][i] = from[i * kLanes + lane], for n elements of `count` lines.
template <class T>
void separate(const T* from, Index count, Index n, T* const* lines) {
  for_each_vector<T>(n, [&](Index i, auto lanes) {
    detail::Square<T> square;
    for (Index k = 0; k < kLanes<T>; ++k) {
      const Index at = std::min(i + k, n - 1);  // beyond the end: not stored
      square.rows.packet[k] = load(from + at * kLanes<T>, Whole{}).packet;
    }
    square.transpose();
    for (Index lane = 0; lane < count; ++lane) {
      store(lines[lane] + i, Vec<T>(square.rows.packet[lane]), lanes);
    }
  });
}

}  // namespace densenet
