// The three products of a linear layer against three loops each.
#include "core/products/product.hpp"

#include <cmath>
#include <limits>

#include "check.hpp"
#include "core/products/operands.hpp"
#include "result.hpp"

namespace {

using namespace densenet;

constexpr Index kSizes[][3] = {  // rows, columns, depth
    {1, 1, 1}, {1, 33, 7}, {5, 7, 33}, {65, 17, 130}, {33, 65, 64}, {3, 40, 2100}};

// C = A B within 2 K eps Σ|a||b|, where at() reads an element of A or B.
template <class T, class A, class B>
void check_product(const A& a, const B& b, Index rows, Index cols, Index depth) {
  const std::vector<T> c =
      result<T>(rows, cols, depth, [&](const Part& part, T* scratch, const Finish<T>& finish) {
        product<T>(a, b, part, depth, scratch, finish);
      });
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      double sum = 0, size = 0;
      for (Index k = 0; k < depth; ++k) {
        const double term = static_cast<double>(*a.at(i, k)) * static_cast<double>(*b.at(k, j));
        sum += term;
        size += std::abs(term);
      }
      const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
      const double error = static_cast<double>(c[static_cast<std::size_t>(i * cols + j)]) - sum;
      CHECK(std::abs(error) <= 2 * static_cast<double>(depth) * eps * size);
    }
  }
}

template <class T>
void check_products() {
  check::Numbers numbers(1);
  for (const auto& [rows, cols, depth] : kSizes) {
    const std::vector<T> a = numbers.take<T>(rows * depth), b = numbers.take<T>(depth * cols);
    const RowMajor<T> a_rows{a.data(), depth}, b_rows{b.data(), cols};
    const Transposed<T> a_columns{a.data(), rows}, b_columns{b.data(), depth};
    check_product<T>(a_rows, b_rows, rows, cols, depth);
    check_product<T>(a_rows, b_columns, rows, cols, depth);
    check_product<T>(a_columns, b_rows, rows, cols, depth);
  }
}

TEST(products_in_float) { check_products<float>(); }
TEST(products_in_double) { check_products<double>(); }

}  // namespace
