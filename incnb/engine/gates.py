"""From where a loop reads its source: only from the cursor when three gates are open, else from the start.

`completed`: an earlier pass came to its end, so every item before its cursor was handled. `durable`: what lies before
the cursor is still what it was, as far as the source can tell. `contained`: what the items of that pass relied on is as
it was, so that handling them again would give the same. All three are looked at and told, whichever is shut.

Reading from the start costs looking every item up, no more; so whatever is in doubt, and any fault of a source that
somebody wrote himself, shuts its gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

from incnb.explain.words import sentence
from incnb.model import Code, Reason, shorten
from incnb.sources import Source
from incnb.store.cursors import Pass


@final
@dataclass(frozen=True, slots=True)
class Gate:
    """One condition, whether it holds, and a sentence that says why."""

    name: Literal["completed", "durable", "contained"]
    passed: bool
    sentence: str
    caused_by: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What follows from its being shut, and why it is."""
        return f"is read from its start (not {self.name}: {self.sentence})"


@final
@dataclass(frozen=True, slots=True)
class Gates:
    """The three gates of one source, in the order in which they are shown."""

    locator: str
    completed: Gate
    durable: Gate
    contained: Gate
    cursor: bytes | None

    def __iter__(self) -> Iterator[Gate]:
        return iter((self.completed, self.durable, self.contained))

    @property
    def skip(self) -> bool:
        """Whether the full scan is skipped."""
        return self.cursor is not None and all(gate.passed for gate in self)

    @property
    def start(self) -> bytes | None:
        """Where to read from; None = from the start."""
        return self.cursor if self.skip else None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the source is read from its start: one for every gate that is shut. None are left when it is not."""
        return tuple(
            Reason(Code.SOURCE, "source", self.locator, gate.told, gate.caused_by) for gate in self if not gate.passed
        )


def decide(source: Source, earlier: Pass | None, mismatch: Reason | None) -> Gates:
    """Look at all three gates. Runs what the source says of itself; raises only if it has no name.

    `earlier`: what the store knows of passes of this loop over this source. `mismatch`: the first of what these relied
    on that is not as it was.
    """
    locator = shorten(source.identity())
    cursor = None if earlier is None else earlier.cursor
    return Gates(locator, _completed(earlier), _durable(source, cursor), _contained(earlier, mismatch), cursor)


def _completed(earlier: Pass | None) -> Gate:
    if earlier is None:
        return Gate("completed", False, "no earlier pass over it is known")
    if earlier.problem:
        return Gate("completed", False, earlier.problem)
    if not earlier.completed:
        return Gate("completed", False, "no earlier pass over it came to its end")
    return Gate("completed", True, "an earlier pass over it came to its end")


def _durable(source: Source, cursor: bytes | None) -> Gate:
    try:
        if source.durable is not True:
            return Gate("durable", False, "nothing tells which of its items are new")
        if cursor is None:
            return Gate("durable", False, "no place is known up to which it was read")
        check = getattr(source, "check", None)
        why = None if check is None else check(cursor)
    except Exception as error:
        # somebody else's code, or somebody else's file: what is wrong with it shows when it is read
        told = shorten(f"{type(error).__name__}: {error}")
        return Gate("durable", False, f"it cannot say whether it is what it was ({told})")
    if why is not None:
        return Gate("durable", False, f"it {why}")
    return Gate("durable", True, "what lies before the place up to which it was read is what it was")


def _contained(earlier: Pass | None, mismatch: Reason | None) -> Gate:
    if earlier is None or earlier.problem:
        return Gate("contained", False, "what its items relied on is not known")
    if mismatch is not None:
        causes = (mismatch.locator, *mismatch.caused_by) if mismatch.locator else mismatch.caused_by
        return Gate("contained", False, sentence(mismatch), causes)
    return Gate("contained", True, "what its items relied on is as it was")
