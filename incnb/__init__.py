"""incnb makes notebooks incremental: `%load_ext incnb`, then `%%incremental` on a cell or `%incremental on` for all.

A reused result is the result that executing would have produced; where that is in doubt, incnb executes, and every
decision names what decided it.
"""

from typing import Any

from incnb.model import Code, Decision, IncnbError, Reason, Status

__version__ = "0.1.0"
__all__ = ["Code", "Decision", "IncnbError", "Reason", "Status"]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext incnb`."""
    from incnb.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext incnb`."""
    from incnb.notebook.extension import unload

    unload(shell)
