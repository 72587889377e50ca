#!/usr/bin/env bash
# pytest 9.2.0, where a folder of tests has the name of the package that it tests.
#
# What happens: a project keeps its tests of scikit-learn in tests/sklearn/, without __init__.py, and
# begins each file with pytest.importorskip("sklearn"). Where scikit-learn is not installed, the
# tests are skipped. With an empty tests/conftest.py beside the folder they are not: pytest puts
# tests/ on the import path for conftest.py, and there tests/sklearn is a namespace package.
# importorskip returns that, and the tests fail on its missing names. Where scikit-learn is installed
# nothing shows, because a regular package goes before a namespace package anywhere on the path.
#
# What one would expect: that a conftest.py does not decide whether importorskip skips, and that a
# folder of tests does not pass for the package that they need.
#
# Why it matters: the failure comes only where the package is missing, which developers' machines
# hardly are. Tests as a package (tests/__init__.py), or --import-mode=importlib, keep tests/ off the
# path.
#
# Seen on 2026-11-28:
#   without conftest.py:  1 skipped
#   with an empty one:    1 failed: AttributeError: module 'sklearn' has no attribute '__version__'
#   with importlib mode:  1 skipped
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: pytest==9.2.0
cd "$folder"

mkdir -p project/tests/sklearn
cat > project/tests/sklearn/test_model.py <<'EOF'
import pytest

sklearn = pytest.importorskip("sklearn")


def test_version():
    assert sklearn.__version__
EOF
cd project

run() { ../env/bin/python -m pytest -q -p no:cacheprovider "$@" tests 2>&1 || true; }

without=$(run)
touch tests/conftest.py
with=$(run)
importlib=$(run --import-mode=importlib)
echo "without conftest.py:  $(tail -n 1 <<< "$without")"
echo "with an empty one:    $(tail -n 1 <<< "$with"); $(grep -m 1 -o 'AttributeError.*' <<< "$with")"
echo "with importlib mode:  $(tail -n 1 <<< "$importlib")"

case "$without|$with|$importlib" in
  *"1 skipped"*"|"*"module 'sklearn' has no attribute '__version__'"*"|"*"1 skipped"*)
    echo "As recorded: with conftest.py a folder of tests passes for the missing package." ;;
  *)
    echo "Changed: 1 skipped, then a failure, then 1 skipped were recorded."
    exit 1 ;;
esac
