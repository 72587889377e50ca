// The type of counts, positions and strides, in rows, columns or elements.
#pragma once

#include <cstddef>

namespace densenet {

using Index = std::ptrdiff_t;

}  // namespace densenet
