# Put the headers of one release of Eigen into build/eigen: cmake -P .ci/eigen.cmake
#
# Every wheel is built from the same headers. Package managers have another version on each system,
# from 3.3, which is too old, to 5.
cmake_minimum_required(VERSION 3.19)

set(version 3.4.0)
set(sha256 8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72)
set(archive https://gitlab.com/libeigen/eigen/-/archive/${version}/eigen-${version}.tar.gz)
get_filename_component(build ${CMAKE_CURRENT_LIST_DIR}/../build ABSOLUTE)

file(DOWNLOAD ${archive} ${build}/eigen.tar.gz EXPECTED_HASH SHA256=${sha256})
file(ARCHIVE_EXTRACT INPUT ${build}/eigen.tar.gz DESTINATION ${build}/source)
set(source ${build}/source/eigen-${version})
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${source} -B ${source}/build -D CMAKE_INSTALL_PREFIX=${build}/eigen
    -D BUILD_TESTING=OFF -D EIGEN_BUILD_DOC=OFF
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${source}/build COMMAND_ERROR_IS_FATAL ANY)
