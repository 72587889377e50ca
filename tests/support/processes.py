"""Programs in interpreters of their own."""

import os
import subprocess
import sys


def run_python(code, *, timeout=250, options=("-W", "error"), **environment):
    """Run a program in a new interpreter and give its standard output; fail where it fails."""
    result = try_python(code, timeout=timeout, options=options, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def try_python(code, *, timeout=250, options=("-W", "error"), **environment):
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
    )
