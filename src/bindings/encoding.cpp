// The encoding of a column of a table: test the arguments, release the GIL, call the core.
#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/unlocked.hpp"
#include "core/layers/pieces.hpp"

namespace densenet {

namespace {

// Writes the features (rows, width) of cells (rows) into a matrix whose rows may lie apart.
void encode_pieces_(const py::object& cells, const py::object& edges, double fill, double center,
                    double scale, bool gaps, const py::object& features) {
  constexpr Index kSize = sizeof(float);
  const auto from = optional_vector<double>(cells), cuts = optional_vector<double>(edges);
  if (!from || !cuts || cuts->size < 2) throw py::value_error("densenet core: unusable cells");
  const Pieces pieces(cuts->data, cuts->size - 1, fill, center, scale, gaps);
  py::array to = array_of<float>(features);
  if (!to || to.ndim() != 2 || to.shape(0) != from->size || to.shape(1) != pieces.width() ||
      to.strides(1) != kSize || to.strides(0) % kSize != 0) {
    throw py::value_error("features: expected a float32 array of shape (rows, width), by rows");
  }
  auto* row = static_cast<float*>(to.mutable_data());
  const Index stride = to.strides(0) / kSize;
  const Unlocked unlocked;
  for (Index i = 0; i < from->size; ++i, row += stride) pieces.encode(from->data[i], row);
}

}  // namespace

void register_encoding(py::module_& m) { m.def("encode_pieces", &encode_pieces_); }

}  // namespace densenet
