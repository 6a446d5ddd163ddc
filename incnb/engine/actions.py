"""What a person may do to a cell from its row: run it next time, forget it, pin it, accept what differs.

Each is what a verb of `%incremental` does, for a cell that is known by its key in this session. The answer is one line
for the person; what cannot be done raises an `IncnbError` whose message says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incnb.engine.enquiries import Enquiries
from incnb.engine.naming import Known, cells
from incnb.engine.pins import pin
from incnb.model import IncnbError

if TYPE_CHECKING:
    from incnb.engine.session import Session

ACTIONS = ("force", "forget", "pin", "unpin", "accept")


class CannotBe(IncnbError):
    """An action that is not possible; the message says why."""


def act(session: Session, action: str, key: str, reason: str = "") -> str:
    """Do an action to the cell of a key; what to tell the person. Raises `IncnbError`."""
    seen = session.ledger.cells.get(key)
    if seen is None:
        raise CannotBe("this cell is not known in this session")
    if action not in ACTIONS:
        raise CannotBe(f"there is no action {action!r}")
    cell = seen.decision.cell
    enquiries = Enquiries(session)
    if action in ("pin", "unpin"):
        text = session.text_of(cell.id, cell.title)
        if action == "unpin" and text is not None and text.options.pin:
            raise CannotBe(f"{cell.title}: the cell itself says --pin; remove it there")
        pin(session.history, session.notebook, cell.id, cell.title, on=action == "pin")
        return f"{cell.title}: pinned" if action == "pin" else f"{cell.title}: not pinned any more"
    known = _known(session, cell.id, cell.title)
    if action == "force":
        return enquiries.mark(known, hard=True, reason=reason)
    if action == "forget":
        return str(enquiries.forget(known))
    if not reason.strip():
        raise CannotBe("an accept wants a reason, which is kept and shown")
    # somebody who looks at a row means what it says has happened, and never an edit that is still to come
    return enquiries.accept(known, reason.strip(), wait=False)


def _known(session: Session, cell_id: str | None, title: str) -> Known:
    """The cell as the log knows it; one that the log could not take has no past."""
    found = cells(session.history.runs(session.notebook), session.id)
    same = [k for k in found if (k.id == cell_id if cell_id and k.id else k.title == title)]
    return same[-1] if same else Known(cell_id, title)
