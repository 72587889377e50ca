// What module.cpp registers, one function a file.
#pragma once

#include <pybind11/pybind11.h>

namespace densenet {

void register_kernels(pybind11::module_& m);
void register_updates(pybind11::module_& m);
void register_network(pybind11::module_& m);

}  // namespace densenet
