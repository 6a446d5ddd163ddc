"""`--verify`: execute what would have been reused, and compare what it left with what was saved.

Values are compared by their fingerprints, what was shown piece by piece, files by their content. What an object is made
of that no fingerprint sees (who else holds it) is not compared, and of figures only what they show is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from incnb.engine.record import Run
from incnb.engine.replay import Replay
from incnb.fingerprint import ABSENT, Unfingerprintable, fingerprint
from incnb.model import Code, IncnbError, Reason
from incnb.outputs import patches
from incnb.outputs.variables import RESULT
from incnb.store import LoadError, Unpicklable, dump, load

VERIFY = "--verify"
MISMATCH = "mismatch"  # the kind of a reason that tells of a difference


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise: its name, what is different, and the bytes saved of it (0: unknown)."""

    name: str
    what: str
    size: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.what}" + (f" ({self.size:,} bytes saved)" if self.size else "")


class Verification:
    """What was saved of a cell, held against the execution that is about to begin."""

    def __init__(self, replay: Replay):
        self._replay = replay
        self._outputs = replay.outputs
        # resolved now: the cell may bind these names anew
        self._found = {reference: replay.resolve(reference) for reference in replay.references()}

    def reasons(self, run: Run, value: Any) -> list[Reason]:
        """One reason for each difference, or the one that there is none."""
        found = self.compare(run, value)
        if not found:
            return [Reason(Code.FORCED, "", VERIFY, "the same as what was saved")]
        return [Reason(Code.FORCED, MISMATCH, VERIFY, f"not what was saved: {difference}") for difference in found]

    def compare(self, run: Run, value: Any) -> list[Difference]:
        """What is different after the run."""
        out: list[Difference] = []
        for group in self._outputs["groups"]:
            size = int(group["bytes"])
            try:
                loaded = self._replay.load_group(group, self._found.__getitem__)
            except (IncnbError, LookupError, AttributeError, TypeError, ValueError, OSError) as error:
                out.append(Difference(", ".join(group["names"]), f"cannot be loaded: {error}", size))
                continue
            for name, saved in loaded.values.items():
                live = value if name == RESULT else run.namespace.get(name, ABSENT)
                what = _difference(saved, live)
                if what:
                    out.append(Difference("the result" if name == RESULT else name, what, size))
            for owner, kind, state in loaded.states:
                now = patches.state_of(owner)
                if now is None or now[0] != kind or _difference(state, now[1]):
                    out.append(Difference(f"a {type(owner).__name__} changed in place", "is different", size))
        out += [Difference(n, "was deleted and is there") for n in self._outputs["deleted"] if n in run.namespace]
        shown = [event.to_dict() for event in run.events]
        if shown != self._outputs["events"]:
            out.append(Difference("what it showed", _first_difference(self._outputs["events"], shown)))
        saved_files = {f["path"]: (f["digest"], f["size"]) for f in self._outputs.get("files", [])}
        files = {w.path: w.digest for w in run.written}
        for path, (digest, size) in saved_files.items():
            if files.get(path) != digest:
                out.append(Difference(path, "was written with other content", size))
        out += [Difference(path, "was not written before") for path in files.keys() - saved_files.keys()]
        return out


def _difference(saved: Any, live: Any) -> str:
    if live is ABSENT:
        return "is not bound any more"
    if type(saved) is not type(live) and type(saved).__qualname__ != type(live).__qualname__:
        return f"is a {type(live).__qualname__} and was a {type(saved).__qualname__}"
    if type(live).__module__.partition(".")[0] == "matplotlib":
        return ""  # figures count their parts in their own ways; what they show is compared
    try:
        if fingerprint(saved) == fingerprint(live):
            return ""
        # classes that do not come back as they were from their own pickling come back alike
        pickled = dump({"value": live}, root="")
        again = load(pickled.data, pickled.buffers)
        return "" if fingerprint({"value": saved}) == fingerprint(again) else "is different"
    except Unfingerprintable as error:
        return "" if _pickled(saved) == _pickled(live) else f"cannot be compared: {error}"
    except (Unpicklable, LoadError):
        return "is different"


def _pickled(value: Any) -> object:
    try:
        pickled = dump({"value": value}, root="")
    except Unpicklable:
        return object()
    return bytes(pickled.data), [bytes(memoryview(b)) for b in pickled.buffers]


def _first_difference(saved: list[dict[str, Any]], shown: list[dict[str, Any]]) -> str:
    for number, (was, now) in enumerate(zip(saved, shown, strict=False), 1):
        if was != now:
            return f"is different from piece {number} on ({now['type']})"
    return f"is {len(shown)} pieces and was {len(saved)}"
