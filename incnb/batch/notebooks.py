"""Which of the notebooks in the log a person means by a path.

A kernel is told the path of its notebook in full (JupyterLab, VS Code) or relative to a folder that nobody tells (some
older servers). A path in full decides; a relative one in the log counts where the path ends with it and nothing else
fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath


def is_there(notebook: str) -> bool:
    """Whether there is such a file."""
    try:
        return Path(notebook).exists()
    except (OSError, ValueError):
        return False


def matching(notebook: str, logged: Iterable[str]) -> list[str]:
    """The names in the log that are this notebook."""
    logged = list(logged)
    wanted = _full(notebook)
    same = [name for name in logged if name == notebook or (PurePath(name).is_absolute() and _full(name) == wanted)]
    if same:
        return same
    parts = wanted.parts
    relative = [PurePath(name) for name in logged if name and not PurePath(name).is_absolute()]
    return [str(name) for name in relative if parts[-len(name.parts) :] == name.parts]


def _full(name: str) -> Path:
    try:
        return Path(name).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        return Path(name)
