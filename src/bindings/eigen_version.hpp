// The version of Eigen by the macros of its headers.
//
// Up to 3.4 these are world, major and minor: 3, 4, 0. From 5.0 on, world is still 3, and the
// version is major, minor and patch: 5, 0, 1.
#pragma once

#include <Eigen/Core>
#include <string>

namespace densenet {

inline std::string eigen_version() {
#if defined(EIGEN_PATCH_VERSION)
  const int parts[] = {EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION, EIGEN_PATCH_VERSION};
#else
  const int parts[] = {EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION};
#endif
  return std::to_string(parts[0]) + "." + std::to_string(parts[1]) + "." + std::to_string(parts[2]);
}

}  // namespace densenet
