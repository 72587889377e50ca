"""Programs in C and C++, compiled as strictly as compilers can."""

import subprocess

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"]
LANGUAGES = {"c": "-std=c99", "cpp": "-std=c++17"}
COMPILERS = {"cc": {"c": "cc", "cpp": "c++"}, "clang": {"c": "clang", "cpp": "clang++"}}


def build(output, language, source, *others, compiler="cc", options=()):
    """Compile a source text, and more files, as strictly as can be."""
    main = output.with_suffix(f".{language}")
    main.write_text(source)
    command = [COMPILERS[compiler][language], LANGUAGES[language], *STRICT, *options]
    command += [main, *others, "-lm", "-o", output]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
