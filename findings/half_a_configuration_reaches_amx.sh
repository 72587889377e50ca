#!/usr/bin/env bash
# GCC 12.2.0 (Debian's 12.2.0-14+deb12u1), the intrinsic _tile_loadconfig of <immintrin.h>.
#
# What happens: AMX is configured by 64 bytes in memory, which _tile_loadconfig loads. GCC's header
# tells its own optimizer that the instruction reads 8 of them. From -O1 on, a configuration that is
# filled in the same function is stored in part: palette and reserved bytes are, the rows and the
# bytes of a row of every register are not. No warning is given, at -Wall -Wextra either. At -O0 all
# is stored.
#
# What one would expect: a function that takes a `const void *` to 64 bytes, as Intel's guide has it,
# reads 64 bytes. The guide's own first example is filled in another function, and works.
#
# Why it matters: the registers then have whatever shape the stack happens to say. Write the
# instruction in assembler with the whole struct as operand: that form stores all of it here, too.
#
# Needs Linux on x86-64 and apt's index of Debian 12; no processor with AMX: nothing is run.
#
# Seen on 2026-11-29, bytes of the 64 that are stored at -O2:
#   by the intrinsic 17, by assembler with the whole struct 64
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=12.2.0-14+deb12u1
for package in gcc-12 cpp-12 libgcc-12-dev; do
    apt-get download -qq "$package=$version" 2> apt.txt || { cat apt.txt; exit 1; }
done
for file in *.deb; do dpkg -x "$file" root; done

cat > configure.c <<'EOF'
#include <immintrin.h>

struct configuration {
  unsigned char palette, first_row, reserved[14];
  unsigned short bytes_of_a_row[16];
  unsigned char rows[16];
};

void configure(void) {
  struct configuration shapes = {.palette = 1};
  for (int i = 0; i < 8; ++i) {
    shapes.bytes_of_a_row[i] = 64;
    shapes.rows[i] = 16;
  }
#ifdef WHOLE
  __asm__ volatile("ldtilecfg %0" : : "m"(shapes));
#else
  _tile_loadconfig(&shapes);
#endif
}
EOF

cat > stored.py <<'EOF'
"""Count the bytes of the stack that a function's assembly stores to."""

import re
import sys

SIZES = {"movb": 1, "movw": 2, "movl": 4, "movq": 8, "movups": 16, "movaps": 16, "movdqa": 16}
bytes_stored = set()
for line in sys.stdin:
    found = re.match(r"\s+(mov\w+)\s+[^(]+,\s*(-?\d+)\(%rsp\)", line)
    if found:
        first = int(found[2])
        bytes_stored.update(range(first, first + SIZES[found[1]]))
print(len(bytes_stored))
EOF

stored() {
    root/usr/bin/x86_64-linux-gnu-gcc-12 -B root/usr/lib/gcc/x86_64-linux-gnu/12/ \
        -mamx-tile -O2 -Wall -Wextra "$@" -S configure.c -o - | python3 stored.py
}
by_intrinsic=$(stored)
whole=$(stored -DWHOLE)
echo "bytes stored by the intrinsic: $by_intrinsic, by assembler with the whole struct: $whole"
[ "$by_intrinsic" -lt 32 ] && [ "$whole" -eq 64 ]
