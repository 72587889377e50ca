"""The files that no import shows: the digits and, on Windows, the libraries of the wheel.

The modules need no words here, as all that densenet imports is named in an import statement.
"""

from PyInstaller.utils.hooks import collect_data_files, collect_delvewheel_libs_directory

datas, binaries = collect_delvewheel_libs_directory(
    "densenet", "densenet_cpu.libs", datas=collect_data_files("densenet")
)
