"""The kernel's side of a batch run: every cell is tracked, and nothing of it shows in the notebook.

Reached by silent requests before the first cell and after the last one. incnb is put onto the shell without the help of
IPython's extension manager: a notebook that says `%load_ext incnb` itself must not be told that it is there already.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Any

from incnb.batch.orders import Orders
from incnb.engine.options import Options, parse
from incnb.engine.union import log_union, union_of
from incnb.model import IncnbError
from incnb.notebook import extension as extensions
from incnb.notebook.begun import begun, ended
from incnb.store import StoreError


def begin(shell: Any, text: str) -> None:
    """Follow orders from here on. Raises `IncnbError` where they cannot be followed."""
    orders = Orders.read(text)
    allowed(orders, "")  # or it is an error before anything is changed
    extension = extensions.order(shell, orders)
    if not extension.tracker.enabled:
        raise IncnbError("the environment says INCNB=off")
    try:
        extension.begun = begun(shell, extension.session.store.root)
    except Exception as error:  # then there will always be a kernel, and that is all
        extension.begun = {"against": [f"it cannot be told how the kernel began: {type(error).__name__}"]}


def allowed(orders: Orders, line: str) -> Options:
    """The options for all cells: those in the notebook, and over them those of the run."""
    return parse(orders.options, parse(line, Options()))


def end(extension: Any) -> None:
    """The last cell has run: say what all of them relied on. Nothing is said where that cannot be told."""
    orders, session = extension.orders, extension.session
    union = union_of(session)
    if extension.again:
        union = replace(union, against=(*union.against, "incnb was loaded anew by the notebook"))
    try:
        union.pins["kernel"] = ended(extension.begun, union)
    except Exception as error:
        union.pins["kernel"] = {"against": [f"it cannot be told how the kernel ended: {type(error).__name__}"]}
    with suppress(StoreError):  # then a refresher does not know this run
        log_union(session, union)
    if orders.union:
        Path(orders.union).write_text(dumps(union.to_dict()), "utf-8")
