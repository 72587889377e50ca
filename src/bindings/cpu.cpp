// Tells which x86-64 levels this processor runs. This module is compiled for the lowest of them,
// and asked before a build of the core is loaded.
#include <pybind11/pybind11.h>

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>

#include <immintrin.h>
static bool runs(int level) {
  int leaf1[4], leaf7[4], extended[4];
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  __cpuid(extended, 0x80000001);
  const bool saves = (leaf1[2] >> 27) & 1;  // OSXSAVE
  const unsigned long long state = saves ? _xgetbv(0) : 0;
  const bool v2 = (leaf1[2] >> 20) & 1;
  const int v3_bits = 1 << 12 | 1 << 22 | 1 << 29;  // FMA, MOVBE, F16C
  const bool v3 = v2 && (leaf1[2] & v3_bits) == v3_bits && (leaf7[1] & 0x128) == 0x128 &&
                  (extended[2] >> 5) & 1 && (state & 6) == 6;  // BMI1, AVX2, BMI2; LZCNT
  const unsigned v4_bits = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
  const bool v4 =
      v3 && (static_cast<unsigned>(leaf7[1]) & v4_bits) == v4_bits && (state & 0xe6) == 0xe6;
  return level == 2 ? v2 : level == 3 ? v3 : v4;
}
#elif defined(__x86_64__)
#include <cpuid.h>
// Asks the processor itself: not every compiler's __builtin_cpu_supports knows these three.
static bool has_movbe_f16c_lzcnt() {
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !(c & bit_MOVBE) || !(c & bit_F16C)) return false;
  return __get_cpuid(0x80000001, &a, &b, &c, &d) != 0 && (c & bit_LZCNT);
}

static bool runs(int level) {
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  has_movbe_f16c_lzcnt();
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return level == 2 ? v2 : level == 3 ? v3 : v4;
}
#else
static bool runs(int) { return false; }
#endif

PYBIND11_MODULE(_cpu, m, pybind11::mod_gil_not_used()) {
  m.doc() = "Which instruction sets this processor runs.";
  m.def(
      "levels",
      [] {
        pybind11::list levels;
        if (runs(4)) levels.append("v4");
        if (runs(3)) levels.append("v3");
        if (runs(2)) levels.append("v2");
        levels.append("generic");
        return levels;
      },
      "Names of the builds of the core that this processor can run, the fastest first.");
}
