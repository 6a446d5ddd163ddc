"""The kernel's side of a batch run: every cell is tracked, and nothing of it shows in the notebook.

Reached by silent requests before the first cell and after the last one. incnb is put onto the shell without the help of
IPython's extension manager: a notebook that says `%load_ext incnb` itself must not be told that it is there already.
"""

from __future__ import annotations

from typing import Any

from incnb.batch.orders import Orders
from incnb.engine.options import Options, parse
from incnb.model import IncnbError
from incnb.notebook import extension as extensions


def begin(shell: Any, text: str) -> None:
    """Follow orders from here on. Raises `IncnbError` where they cannot be followed."""
    orders = Orders.read(text)
    allowed(orders, "")  # or it is an error before anything is changed
    if not extensions.order(shell, orders).tracker.enabled:
        raise IncnbError("the environment says INCNB=off")


def allowed(orders: Orders, line: str) -> Options:
    """The options for all cells: those in the notebook, and over them those of the run."""
    return parse(orders.options, parse(line, Options()))


def end(extension: Any) -> None:
    """The last cell has run."""
