"""The version, as the installed metadata has it."""

from importlib.metadata import version

__version__ = version("densenet")
