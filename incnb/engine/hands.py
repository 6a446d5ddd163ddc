"""What cells hand to each other in a plan: who would have made each name, file and state by the turn of a cell.

`doubt` answers for one dependency of one cell: the same as recorded (`SAME`), to be compared with what is there now
(`LIVE`), or not to be known, with the reason in words.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incnb.dependencies import ambient, file, sharing
from incnb.engine.ledger import TraceName
from incnb.engine.places import AMBIENT, FILE, MODULES, STEPS, Place, path_of, places_of
from incnb.engine.provenance import NOBODY, Aliases, Made, Origin, Other
from incnb.engine.reloading import would_be_reloaded
from incnb.model import Dependency, Kind
from incnb.outputs.ambient import ENVIRONMENT
from incnb.outputs.variables import RESULT

if TYPE_CHECKING:
    from incnb.dependencies import Environment
    from incnb.engine.session import Session


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why something cannot be known, and the cell that it hangs on."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """Made by a cell of the plan, and perhaps changed by one that is not tracked."""

    below: Origin | None
    by: Origin


class Hands:
    """Goes through the cells with the plan."""

    SAME: Final = Doubt("the same")
    LIVE: Final = Doubt("as it is now")

    def __init__(self, session: Session, environment: Environment):
        self._session = session
        self._environment = environment
        self._past = session.ledger.provenance
        self._stands: dict[Place, Origin | Doubt | Touched] = {}  # what the cells of the plan have made so far
        self._held: dict[tuple[str, str], dict[str, str]] = {}  # fingerprints of what a trace holds
        self._files: dict[str, str] = {}  # digests of files that cells before would have put back
        self._stale = would_be_reloaded(session.shell)
        self._configured = session.configured.after([], 0, ast.Module([], []))  # a copy that goes with the cells
        self._aliases = Aliases()  # as far as the cells of the plan make things share objects
        self._writers: list[Other] = []  # cells that are not tracked and may write files
        self._anything: Doubt | None = None  # a cell that would run and may write any file

    # -- what a cell leaves

    def reused(self, key: str, trace: TraceName, made: Made, outputs: dict[str, Any]) -> None:
        """A cell would be reused by this trace."""
        self._configure(key)
        origin = Origin(key, trace)
        loose = self._unsteady(key, outputs)
        state = dict[Place, Origin]()
        self._past.leave(state, made, origin)
        for shared in made.shared:
            self._aliases.join(shared)
        near = self._aliases.of(made.changed)
        for place in state.keys() - made.bound - near:
            if place in self._stands:
                del state[place]  # it shared objects once; what the cells of the plan make of it does not
            else:
                self._aliases.join({place, *made.changed})
        for place, stands in self._stands.items():
            if isinstance(stands, Doubt) and place[0] == AMBIENT and place not in STEPS:
                state.pop(place, None)  # it sets a part of that
        self._stands.update(state)
        self._stands.update(loose)
        held: dict[str, str] = {}
        for group in outputs.get("groups", []):
            if not group.get("words"):
                held.update(group.get("tree", {}))
        self._held[trace.code, trace.id] = held
        for one in outputs.get("files", []):
            self._files[os.path.abspath(str(one["path"]))] = str(one["digest"])

    def _may_share(self, found: set[Place]) -> None:
        """A cell that runs may share again what was ever shared."""
        for place in found:
            self._aliases.join(self._past.aliases.of({place}))

    def _unsteady(self, key: str, outputs: dict[str, Any]) -> dict[Place, Doubt]:
        """What would hold objects of inputs that somebody else has made since it was recorded."""
        found: dict[Place, Doubt] = {}
        fed = self._past.fed.get(key, {})
        for group in outputs.get("groups", []):
            for reference in group.get("refers", []):
                place = (str(reference[0] or ""), str(reference[1]))
                stands = self._stands.get(place, self._past.origins.get(place))
                stands = stands.by if isinstance(stands, Touched) else stands
                if stands != fed.get(place) and (stands is not None or fed.get(place) != NOBODY):
                    doubt = Doubt(f"depends on {_shown(place)}, parts of which it would hold")
                    found |= {("", str(name)): doubt for name in group["names"] if name != RESULT}
        return found

    def _configure(self, key: str) -> None:
        """A tracked cell configures libraries, whether it runs or not."""
        text = self._session.texts.get(key)
        if text is not None:
            self._configured.take(text.tree)

    def other(self, other: Other) -> None:
        """A cell that is not tracked runs between the others, and does what it did."""
        steady = all(self._met(place) == origin for place, origin in other.fed.items())
        left = dict[Place, Origin]()
        self._may_share(other.touched | (other.bound - other.certain))
        self._past.leave_other(left, other)
        for place, origin in left.items():
            below = self._stands.get(place)
            if place in other.sets:
                self._stands[place] = self._set(other, place, origin, steady=steady)
            elif place in other.bound:
                self._stands[place] = origin
            elif not steady:
                self._stands[place] = Doubt(f"depends on {_shown(place)}, which a cell that is not tracked may change")
            elif not isinstance(below, Doubt):
                self._stands[place] = Touched(below.below if isinstance(below, Touched) else below, origin)
        for tree in other.trees:
            self._configured.take(tree)
        if other.writes:
            self._writers.append(other)
            self._files.clear()
        if not steady and other.acts:
            self._anything = Doubt("depends on what a cell that is not tracked does with files")
            state = Doubt("depends on what a cell that is not tracked draws at random or sets")
            self._stands.update(dict.fromkeys(((AMBIENT, w) for w in (*ambient.GENERATORS, ENVIRONMENT)), state))
        if other.everything:
            doubt = Doubt("depends on what a cell that is not tracked makes of all variables")
            places = {place for place in (*self._past.origins, *self._stands) if place[0] not in (FILE, AMBIENT)}
            self._stands.update(dict.fromkeys(places, doubt))

    def _set(self, other: Other, place: Place, origin: Origin, *, steady: bool) -> Origin | Doubt:
        """What state is after a cell that is not tracked has set it, or a part of it."""
        if not steady:
            return Doubt(f"depends on {_shown(place)}, which a cell that is not tracked may set")
        if place == MODULES or place[1].startswith("$"):
            return origin
        below, stands = other.below.get(place, NOBODY), self._stands.get(place)
        if self._met(place) == below:
            return origin
        # it is what this very cell left of it: once more comes to the same
        if place not in STEPS and stands is None and self._past.origins.get(place) == origin and below == NOBODY:
            return origin
        return Doubt(f"depends on {_shown(place)}, which a cell that is not tracked sets")

    def _met(self, place: Place) -> Origin | None:
        """Who would have made a place by now, if that is known."""
        stands = self._stands.get(place)
        if isinstance(stands, Doubt):
            return None
        if isinstance(stands, Touched):
            return stands.by
        return stands or self._past.origins.get(place, NOBODY)

    def put_back(self, again: list[dict[str, Any]]) -> None:
        """These files are missing and would be there again."""
        for one in again:
            path = os.path.abspath(str(one["path"]))
            self._stands[FILE, path] = Doubt(f"depends on {one['path']}, which would be put back")

    def run(self, key: str, title: str, would: str, made: Made, *, perhaps: bool) -> None:
        """A cell would run, or may."""
        self._configure(key)
        doubt = Doubt(f"depends on {title}, which {would}", title)
        maybe = Doubt(f"depends on whether {title}, which {would}, changes it in place", title)
        changed = set(made.changed)
        self._may_share({*made.bound, *changed, *self._past.fed.get(key, ())})
        if perhaps:
            read = self._past.fed.get(key, {})
            may = {
                place
                for place, origin in read.items()
                # what lies there now tells only if it is what the cell met
                if place[0] not in (FILE, AMBIENT)
                and (self._past.origins.get(place, NOBODY) != origin or self._past.may_change(place))
            }
            self._stands.update(dict.fromkeys(self._past.aliases.of(may), maybe))
        self._stands.update(dict.fromkeys(self._past.aliases.of(changed), doubt))
        self._stands.update(dict.fromkeys(made.bound, doubt))
        for place in made.bound:
            if place[0] == FILE:
                self._files.pop(place[1], None)
        if made.anything:
            self._anything = Doubt(f"depends on {title}, which {would} and may write any file", title)

    def looked_for(self, relied: list[Dependency], title: str, would: str) -> None:
        """A cell that would run, or may, and looks for files: it may make or remove them."""
        doubt = Doubt(f"depends on whether {title}, which {would}, makes or removes files", title)
        for dependency in relied:
            if dependency.kind is Kind.FILE and dependency.locator.startswith(tuple(file.LOOKS.values())):
                place = FILE, path_of(dependency.locator)
                self._stands[place] = doubt
                self._files.pop(place[1], None)

    # -- what a cell meets

    def doubt(self, key: str, trace: str, dependency: Dependency) -> Doubt:
        """How one dependency of a cell is to be judged when its turn comes."""
        if self._stale and (
            dependency.kind in (Kind.CODE, Kind.MODULE) or any(p[0] in self._stale for p in places_of(dependency))
        ):
            return Doubt(f"depends on {', '.join(sorted(self._stale))}, which %autoreload would load again")
        if dependency.kind is Kind.FILE:
            return self._of_file(dependency)
        if dependency.kind is Kind.MODULE:
            return self._of_module(dependency)
        if dependency.kind is Kind.AMBIENT and dependency.locator.startswith(ambient.CONFIGURED):
            return self._of_configuration(dependency)
        if dependency.kind is Kind.ENV:
            return self._of_variable(key, trace, dependency)
        answers = [self._of_place(key, trace, dependency, place) for place in places_of(dependency)]
        unknown = next((a for a in answers if a is not self.SAME and a is not self.LIVE), None)
        if unknown is not None:
            return unknown
        if answers and all(a is self.SAME for a in answers):
            return self.SAME
        if any(a is self.SAME for a in answers):
            return self._of_sharing(dependency, answers)
        if dependency.kind is Kind.VALUE and any(place[0] for place in places_of(dependency)):
            return self._of_modules(key, trace, dependency)
        return self.LIVE

    def _of_configuration(self, dependency: Dependency) -> Doubt:
        """The statements that have configured a library by then, each at its latest place."""
        top = dependency.locator.removeprefix(ambient.CONFIGURED)
        then = self._configured.digest(top)
        if then == dependency.fp:
            return self.SAME
        if then == self._session.configured.digest(top):
            return self.LIVE
        return Doubt(f"depends on the order of what configures {top}")

    def _of_variable(self, key: str, trace: str, dependency: Dependency) -> Doubt:
        """A variable of the environment: set by name, or by a cell of which only is known that it sets some."""
        named = [p for p in places_of(dependency) if p in self._stands or p in self._past.origins]
        answers = [self._of_place(key, trace, dependency, place) for place in named]
        unknown = next((a for a in answers if a is not self.SAME and a is not self.LIVE), None)
        if unknown is not None:
            return unknown
        if len(set(map(id, answers))) > 1:
            return Doubt(f"depends on {dependency.locator}, which several cells set")
        return answers[0] if answers else self.LIVE

    def _of_modules(self, key: str, trace: str, dependency: Dependency) -> Doubt:
        """What a module of the project holds, which code of the project may have changed since."""
        stands, live = self._stands.get(MODULES), self._past.origins.get(MODULES)
        if isinstance(stands, Doubt):
            return stands
        if stands is None or stands == live:
            return self.LIVE
        seen = self._session.ledger.cells[key]
        mine = seen.trace is not None and seen.trace.id == trace
        now = self._environment.resolve(Kind.VALUE, dependency.locator).fp
        if mine and self._past.fed.get(key, {}).get(MODULES) == stands and now == dependency.fp:
            return self.SAME
        return Doubt(f"depends on {dependency.locator}, which a cell that is not tracked may set")

    def _of_sharing(self, dependency: Dependency, answers: list[Doubt]) -> Doubt:
        """What inputs share of which only some are there now: what is brought back shares what it shared."""
        there = [at for at, a in zip(sharing.named(dependency.locator), answers, strict=True) if a is self.LIVE]
        alone = len(there) < 2 or self._environment.resolve(Kind.VALUE, sharing.locator(there)).fp == sharing.nothing()
        if dependency.fp == sharing.nothing() and alone:
            return self.SAME
        return Doubt(f"depends on what {', '.join(sharing.named(dependency.locator))} share")

    def _of_place(self, key: str, trace: str, dependency: Dependency, place: Place) -> Doubt:
        stands = self._stands.get(place)
        if isinstance(stands, Doubt):
            return stands
        live = self._past.origins.get(place)
        if stands is None:
            return self._of_nobody(key, place, live)
        seen = self._session.ledger.cells[key]
        fed = self._past.fed.get(key, {}).get(place)
        mine = seen.trace is not None and seen.trace.id == trace
        if isinstance(stands, Touched):
            held = self._held_by(stands.below)
            if mine and fed == stands.by and held.get(dependency.locator) == dependency.fp:
                return self.SAME  # it was touched before as well, and was what the producer's result holds
            return Doubt(f"depends on {_shown(place)}, which a cell that is not tracked may change")
        if dependency.kind is Kind.VALUE and self._held_by(stands).get(dependency.locator) == dependency.fp:
            return self.SAME
        if place[0] != AMBIENT and stands.certain and not stands.named and live is not None and live.certain:
            return self.LIVE  # perhaps an edit of the same cell: the latest text counts
        known = stands.trace is not None or stands.certain
        if known and mine and fed == stands:
            return self.SAME
        if known and live == stands:
            return self.LIVE
        what = _shown(place)
        if not known:
            return Doubt(f"depends on {what}, which a cell that is not tracked makes")
        return Doubt(f"depends on {what}, which {self._title(live)} has changed since")

    def _held_by(self, origin: Origin | None) -> dict[str, str]:
        """The fingerprints of what a result holds, by locator."""
        if origin is None or origin.trace is None:
            return {}
        return self._held.get((origin.trace.code, origin.trace.id), {})

    def _of_nobody(self, key: str, place: Place, live: Origin | None) -> Doubt:
        """Nobody before this cell makes it: it is what it is now, if this cell or a later one did not make that."""
        if live is None or (place[0] == AMBIENT and live.key in self._past.others):
            return self.LIVE  # what a cell after this one has set stays so until then
        who = "it" if live.key == key else self._title(live)
        return Doubt(f"depends on {_shown(place)}, which is what {who} left of it", "" if who == "it" else who)

    def _of_file(self, dependency: Dependency) -> Doubt:
        if self._anything is not None:
            return self._anything
        path = path_of(dependency.locator)
        folder = self._stands.get((AMBIENT, ambient.FOLDER))
        if folder is not None and not os.path.isabs(dependency.locator):
            if isinstance(folder, Doubt):
                return folder
            if folder != self._past.origins.get((AMBIENT, ambient.FOLDER)):
                return Doubt(f"depends on {_shown((AMBIENT, ambient.FOLDER))}, which is another one by then")
        if path == os.path.abspath(dependency.locator) and self._files.get(path) == dependency.fp:
            return self.SAME
        whole = dependency.locator.startswith((file.LISTING, file.GLOB, file.PATH_GLOB))
        doubt = self.of_path(path, inside=whole)
        if doubt is None and any(_changed(path) > other.ended or "**" in dependency.locator for other in self._writers):
            doubt = Doubt(f"depends on {dependency.locator}, which a cell that is not tracked may write")
        return doubt or self.LIVE

    def of_path(self, path: str, *, inside: bool = False) -> Doubt | None:
        """Why what is at a path, or inside a folder, is not known; None if it is what it is now."""
        path = os.path.abspath(path)
        for place, stands in self._stands.items():
            if place[0] == FILE and isinstance(stands, Doubt):
                other = place[1]
                if other == path or path.startswith(other + os.sep) or (inside and other.startswith(path + os.sep)):
                    return stands
        return None

    def overwritten(self, path: str, *, perhaps: bool) -> Doubt | None:
        """Whether a cell that is not tracked writes a file by its words; `perhaps`: or may, for all that is known."""
        name = os.path.basename(path)
        for other in self._writers:
            nodes = (node for tree in other.trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
            if perhaps or any(isinstance(n.value, str) and os.path.basename(n.value) == name for n in nodes):
                return Doubt(f"depends on {path}, which a cell that is not tracked may write")
        return None

    def _of_module(self, dependency: Dependency) -> Doubt:
        module = dependency.locator.removesuffix(" (file)")
        for place, stands in self._stands.items():
            if place[0] == module and isinstance(stands, Doubt):
                return stands
        return self.LIVE

    def _title(self, origin: Origin | None) -> str:
        seen = self._session.ledger.cells.get(origin.key) if origin is not None else None
        if seen is None:
            return "a cell that is not tracked"
        return seen.decision.cell.title + (f" [{seen.number}]" if seen.number is not None else "")


def _changed(path: str) -> float:
    """When a file or folder, or what it would lie in, has changed last."""
    while True:
        try:
            status = os.stat(path)
        except OSError:
            above = os.path.dirname(path)
            if above == path:
                return float("inf")
            path = above
            continue
        return max(status.st_mtime, status.st_ctime)


def _shown(place: Place) -> str:
    module, name = place
    if module == AMBIENT:
        return name.removeprefix("$")
    return name if module in ("", FILE) else f"{module}:{name}"
