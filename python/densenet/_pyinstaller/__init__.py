"""What PyInstaller asks for, by the entry point ``pyinstaller40``, when it freezes a program."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Give the folder of the hook."""
    return [str(Path(__file__).parent)]
