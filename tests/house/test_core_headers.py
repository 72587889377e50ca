"""The headers that files of src include, those of what they use alone; and the tuned numbers."""

import re

import pytest

from tests.support.paths import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.[ch]pp"))

# Headers, and the names that a file uses of them: a file that uses one includes the header itself,
# although another may bring it along, and a file that uses none does not.
HEADERS = {
    "<algorithm>": r"std::(min|max|fill(_n)?|copy(_n)?|clamp|(all|any)_of|transform|reverse)\b",
    "<array>": r"std::array<",
    "<atomic>": r"std::(atomic|memory_order)",
    "<chrono>": r"std::chrono",
    "<cmath>": r"std::(exp|log|log1p|pow|sqrt|erfc|abs|ldexp|ilogb|frexp|isinf)\(",
    "<cstdint>": r"std::u?int(8|16|32|64)_t|std::uintptr_t",
    "<cstring>": r"std::memcpy",
    "<mutex>": r"std::(mutex|lock_guard|unique_lock)",
    "<numeric>": r"std::accumulate",
    "<optional>": r"std::(optional|nullopt)",
    "<stdexcept>": r"std::(invalid_argument|logic_error)",
    "<string>": r"std::string\b",
    "<tuple>": r"std::tuple",
    "<vector>": r"std::vector<",
    '"core/memory/buffer.hpp"': r"\b(Buffer|Pool)<",
    '"core/memory/touched.hpp"': r"\bTouched<",
    '"core/memory/views.hpp"': r"\b(Range|Part|Source|Scalar|Matrix)\b",
    '"core/products/sums.hpp"': r"\bcolumn_sums",
    '"core/threads/parallel.hpp"': r"\b(parallel(_call)?|forked|thread_limit)\(|\bTeam\b",
    '"core/vectors/exp.hpp"': r"(?<!:)\bexp\((-|load)|\b(expm1_negative|exponential|reduced)\(",
    '"core/vectors/normal.hpp"': r"\b(times_normal|normal_slope)\(",
    '"core/vectors/simd.hpp"': r"\b(Vec|Packet|for_each_vector|kLanes)<|\bprefetch\(",
    '"core/vectors/words.hpp"': r"\bWords\b",
}
OWN = re.compile(r'#include (<[a-z]+>|"(?:core|bindings)/[^"]*")')


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_headers_are_included_where_they_are_used_and_nowhere_else(path):
    text = path.read_text()
    own = set(OWN.findall(text))
    code = re.sub(r"//.*", "", re.sub(r"#include.*", "", text))
    itself = f'"{path.relative_to(ROOT / "src").as_posix()}"'
    used = {header for header, names in HEADERS.items() if re.search(names, code)} - {itself}
    assert used <= own, f"{path.name} uses {used - own}"
    assert own & set(HEADERS) <= used, f"{path.name} does not use {own & set(HEADERS) - used}"


def test_the_page_on_tuning_names_every_tuned_number_and_no_other():
    table = (ROOT / "src" / "core" / "tuning.hpp").read_text(encoding="utf-8")
    numbers = set(re.findall(r"\b(k[A-Z]\w+) = ", table))
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    assert len(numbers) > 50
    assert numbers == set(re.findall(r"`(k[A-Z]\w+)`", page))
