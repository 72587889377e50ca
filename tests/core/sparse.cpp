// Products of sparse rows against those of the same rows, dense: the same bits.
#include <cstring>

#include "check.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/sparse_batch.hpp"
#include "core/products/product.hpp"
#include "core/products/sparse_product.hpp"
#include "result.hpp"

namespace {

using namespace densenet;

// A sparse x (rows, cols) of doubles, in which about one number of `each` is there.
struct Sparse {
  Index rows, cols;
  std::vector<std::int64_t> begins{0};
  std::vector<std::int32_t> columns;
  std::vector<double> numbers;

  Sparse(Index rows_, Index cols_, Index each) : rows(rows_), cols(cols_) {
    check::Numbers from(5);
    std::uint32_t state = 1;
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        state = state * 1664525 + 1013904223;
        if ((state >> 8) % static_cast<std::uint32_t>(each) != 0) continue;
        columns.push_back(static_cast<std::int32_t>(j));
        numbers.push_back(from.take<double>(1)[0]);
      }
      begins.push_back(static_cast<std::int64_t>(columns.size()));
    }
  }
  Source source() const {
    const auto* const bytes = reinterpret_cast<const std::byte*>(numbers.data());
    const auto* const places = reinterpret_cast<const std::byte*>(columns.data());
    return {bytes, rows, cols, 0, 0, Scalar::F64, false, begins.data(), places, false};
  }
};

template <class T>
std::vector<T> dense(const Sparse& x) {
  std::vector<T> made(static_cast<std::size_t>(x.rows * x.cols));
  gather(x.source(), nullptr, {{0, x.rows}, {0, x.cols}}, made.data());
  return made;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
void check_products(const Sparse& x, Index outputs) {
  const std::vector<T> all = dense<T>(x);
  SparseBatch<T> batch;
  batch.reserve(x.rows, static_cast<Index>(x.numbers.size()), x.cols);
  batch.load(x.source(), nullptr, {0, x.rows}, 0, 0);

  check::Numbers numbers(7);
  const std::vector<T> w = numbers.take<T>(x.cols * outputs), d = numbers.take<T>(x.rows * outputs);
  const RowMajor<T> weight{w.data(), outputs}, right{d.data(), outputs};
  const Depth forward = forward_depth(x.cols, outputs), down(x.rows);
  using Done = const Finish<T>&;
  CHECK(same_bits(result<T>(x.rows, outputs, forward,
                            [&](const Part& part, T* scratch, Done done) {
                              sparse_product(batch.rows(), weight, part, forward, scratch, done);
                            }),
                  result<T>(x.rows, outputs, forward, [&](const Part& part, T* scratch, Done done) {
                    product<T>(RowMajor<T>{all.data(), x.cols}, weight, part, forward, scratch,
                               done);
                  })));
  // The transpose is made in two shares, as by two threads.
  batch.transpose(x.rows, {0, x.cols / 3});
  const SparseLines<T> columns = batch.transpose(x.rows, {x.cols / 3, x.cols});
  CHECK(same_bits(result<T>(x.cols, outputs, down,
                            [&](const Part& part, T* scratch, Done done) {
                              sparse_product(columns, right, part, down, scratch, done);
                            }),
                  result<T>(x.cols, outputs, down, [&](const Part& part, T* scratch, Done done) {
                    product<T>(Transposed<T>{all.data(), x.cols}, right, part, down, scratch, done);
                  })));
}

// One chunk, chunks in order, chunks in pairs; several chunks of rows; empty rows and columns.
constexpr Index kShapes[][4] = {{1, 1, 1, 1},    {5, 33, 1, 2},     {7, 40, 33, 5},
                                {3, 2100, 7, 9}, {2, 9000, 40, 50}, {4, 3000, 1200, 70},
                                {1500, 6, 5, 3}, {2, 70000, 3, 900}};

TEST(sparse_rows_have_the_products_of_dense_ones) {
  for (const auto& [rows, cols, outputs, each] : kShapes) {
    const Sparse x(rows, cols, each);
    check_products<float>(x, outputs);
    check_products<double>(x, outputs);
  }
}

// What another thread may write there while they are read.
TEST(columns_stay_inside_whatever_they_are) {
  Sparse x(4, 10, 2);
  for (std::size_t e = 0; e < x.columns.size(); ++e) x.columns[e] = e % 2 == 0 ? -7 : 1 << 30;
  SparseBatch<float> batch;
  batch.reserve(x.rows, static_cast<Index>(x.numbers.size()), x.cols);
  batch.load(x.source(), nullptr, {0, x.rows}, 0, 0);
  for (std::size_t e = 0; e < x.columns.size(); ++e) CHECK(batch.rows().column[e] < 10);
  const SparseLines<float> columns = batch.transpose(x.rows, {0, x.cols});
  for (std::size_t e = 0; e < x.columns.size(); ++e) CHECK(columns.column[e] < 4);
}

}  // namespace
