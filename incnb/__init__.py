"""incnb makes notebooks incremental: `%load_ext incnb`, then `%%incremental` on a cell or `%incremental on` for all.

A reused result is the result that executing would have produced; where that is in doubt, incnb executes, and every
decision names what decided it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incnb.config import Config, ConfigError
    from incnb.engine.mapping import map
    from incnb.engine.memo import memo
    from incnb.failed import Failed
    from incnb.model import Code, Decision, IncnbError, Reason, Status
    from incnb.notebook.panel import panel
    from incnb.notebook.questions import accept, forget, history, mark, plan, refresh, report, stats, why
    from incnb.sources import Source, SourceError, source

__version__ = "0.1.0"
__all__ = [
    "Code",
    "Config",
    "ConfigError",
    "Decision",
    "Failed",
    "IncnbError",
    "Reason",
    "Source",
    "SourceError",
    "Status",
    "accept",
    "forget",
    "history",
    "map",
    "mark",
    "memo",
    "panel",
    "plan",
    "refresh",
    "report",
    "source",
    "stats",
    "store",
    "why",
]

_LAZY = {  # so that `import incnb` stays cheap
    "Config": "incnb.config",
    "ConfigError": "incnb.config",
    "Failed": "incnb.failed",
    "map": "incnb.engine.mapping",
    "memo": "incnb.engine.memo",
    "panel": "incnb.notebook.panel",
    # not `incnb.source`: a module of that name would take the place of the function as soon as it is imported
    "Source": "incnb.sources",
    "SourceError": "incnb.sources",
    "source": "incnb.sources",
    **dict.fromkeys(("Code", "Decision", "IncnbError", "Reason", "Status"), "incnb.model"),
    "store": "",  # the package itself, which can be called
    **dict.fromkeys(
        ("accept", "forget", "history", "mark", "plan", "refresh", "report", "stats", "why"), "incnb.notebook.questions"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'incnb' has no attribute {name!r}")
    from importlib import import_module

    if not _LAZY[name]:
        return import_module(f"incnb.{name}")
    return getattr(import_module(_LAZY[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext incnb`."""
    from incnb.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext incnb`."""
    from incnb.notebook.extension import unload

    unload(shell)
