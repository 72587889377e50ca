// The functions that add to the module what each file of bindings defines.
#pragma once

#include <pybind11/pybind11.h>

namespace densenet {

void register_kernels(pybind11::module_& m);
void register_losses(pybind11::module_& m);
void register_updates(pybind11::module_& m);
void register_encoding(pybind11::module_& m);
void register_network(pybind11::module_& m);

}  // namespace densenet
