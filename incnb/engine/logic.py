"""What the code of an item relies on: found when its loop begins, narrowed for each item to what really ran.

A loop has one closure, that of its body. Items that ran the same functions relied on the same *set* of dependencies;
a set is written once and items refer to it by its digest. Whether a recorded set is contained in the environment is
asked once while a loop runs, and stays so as long as nothing of it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from json import dumps as to_json  # bound here: whoever patches json does not mean us
from json import loads as from_json  # bound here: whoever patches json does not mean us
from types import CodeType
from typing import Any, final

import xxhash

from incnb.dependencies import Closure, Environment, Resolved, ambient, bindings, sharing
from incnb.engine import decide
from incnb.engine.invariants import Invariants
from incnb.engine.judgement import Judgement
from incnb.engine.native import urls
from incnb.engine.options import Options
from incnb.engine.roots import codes_of, roots_of
from incnb.fingerprint import Encoder
from incnb.model import Code, Dependency, Kind, Reason, redacted
from incnb.outputs import looks
from incnb.outputs.variables import Inputs

MOST_SETS = 64  # of functions that ran together, told apart in one loop; beyond, all of them count for every item


@final
class Logic:
    """The dependencies that all items of a loop may share, as they were when it began."""

    def __init__(self, environment: Environment, closure: Closure, options: Options):
        """`closure` has followed the code of an item, and is finished here."""
        self.environment = environment
        self.closure = closure
        self.shared: list[Dependency] = []  # found while items ran, for all items after
        self.native = False  # whether native code may open files
        self._options = options
        self.is_of_body: Callable[[CodeType], bool] = lambda code: False  # lambdas in it, whose reads are its own
        self._judgement = Judgement(options, sees_looks=looks.possible())
        self._invariants: Invariants | None = None
        self._inputs: Inputs | None = None
        self._sets: dict[frozenset[int] | None, bytes] = {}
        self._texts: dict[bytes, bytes] = {}
        self._contained: dict[bytes, Reason | None] = {}

    # -- before the first item

    def problem(self, is_users: Callable[[str], bool], *, sees_folders: bool = False) -> Reason | None:
        """Why no item can be recorded; None if they can, and then everything is known that they rely on.

        `sees_folders`: what native code opens is seen.
        """
        self._judgement.sees_folders = sees_folders
        closure, judgement = self.closure, self._judgement
        for asked in self.environment.asked:
            closure.add(Kind.CONFIG, asked)
        closure.finish()
        for place, _ in closure.configs:
            closure.add(Kind.CONFIG, place.locator)  # which keys an item reads is not told apart
        for finding in closure.findings:
            if is_users(finding.what):
                continue
            if finding.kind == "cwd":
                closure.add(Kind.AMBIENT, ambient.FOLDER)
            if finding.kind == "strings":
                judgement.not_saved(finding.what, f"{finding.what} reads names through strings")
            judgement.finding(finding)
        if closure.seeds:
            judgement.not_saved("seed", "it seeds a random generator, whose state the items after it may need")
        self.native = any(finding.kind == "native" for finding in closure.findings)
        for url in urls(closure.constants)[: 1 if self.native else 0]:
            judgement.effect(f"it may read {redacted(url)[:80]}", "network")
        for key, why in closure.missing:
            judgement.not_saved(key[1], f"{key[1]} {why}")
        for value in closure.hidden.values():
            name = getattr(value, "__qualname__", type(value).__qualname__)
            judgement.not_saved(name, f"{name} remembers what it was called with")
        if closure.resizes:
            judgement.not_saved(".resize", "it may resize an array in place")
        found = [f.dependency for f in closure.found.values()]
        shared = sharing.among([root.locator for root in roots_of(closure)], found)
        if shared is not None:
            closure.add(Kind.VALUE, shared)
        told = [*judgement.effects, *judgement.problems]
        if told:
            return told[0]
        self._invariants = Invariants(closure, self.environment)
        return None

    def names(self) -> dict[str, str]:
        """The names of the notebook that an item reads, each with the locator that leads there."""
        found: dict[str, str] = {}
        for key in self.closure.found:
            if key[0] in (Kind.VALUE, Kind.CODE, Kind.CONFIG) and not key[1].startswith(sharing.PREFIX):
                plain = key[1].removeprefix(bindings.PRESENCE).removeprefix(bindings.DOCSTRING)
                name = bindings.notebook_name(plain)
                if name is not None:
                    found.setdefault(name, key[1])
        return found

    @property
    def inputs(self) -> Inputs:
        """The objects that items may refer to; walked when they are first asked for."""
        if self._inputs is None:
            closure = self.closure
            self._inputs = Inputs(roots_of(closure), self.environment.namespace, codes_of(closure))
        return self._inputs

    def meets(self, met: Encoder) -> str | None:
        """An item holds code of ours: follow it. Gives what is wrong with it, if anything is."""
        before = len(self.closure.found)
        self.closure.met(Resolved(Kind.VALUE, "", met=met))
        self.closure.finish()
        self.closure.narrow(None)
        if len(self.closure.found) != before:
            self._sets.clear()
            self._inputs = None
        findings = [f for f in self.closure.findings if f.kind not in ("cwd", "looks")]
        if findings:
            return f"an item holds code with {findings[0].what}"
        if self.closure.missing:
            return f"{self.closure.missing[0][0][1]} {self.closure.missing[0][1]}"
        return "an item holds a function that remembers what it was called with" if self.closure.hidden else None

    # -- between items

    def moved(self) -> str | None:
        """What is not as it was when the loop began, in words."""
        return self._invariants.moved() if self._invariants is not None else "it was not looked at"

    def read_moved(self) -> str | None:
        """The same of what items read only."""
        return self._invariants.read_moved() if self._invariants is not None else "it was not looked at"

    @property
    def read_cost(self) -> float:
        """Seconds that this took last."""
        return self._invariants.read_cost if self._invariants is not None else 0.0

    def stands(self) -> bool:
        """Whether what is read is as it was. Whatever else moved since counts from now on."""
        if self._invariants is None or self._invariants.read_moved() is not None:
            return False
        if any(kind is Kind.MODULE and locator.endswith(" (file)") for kind, locator in self.closure.found):
            return False
        self._invariants.from_now()
        return True

    def let_go(self) -> None:
        """Hold none of the user's objects any more."""
        self.closure.let_go()
        self.environment.forget()
        self._invariants = self._inputs = None

    @property
    def cost(self) -> float:
        """Seconds that it took last to see whether anything moved."""
        return self._invariants.cost if self._invariants is not None else 0.0

    def share(self, found: Iterable[Dependency]) -> None:
        """Something was met while an item ran, for which that item may not have been the reason."""
        known = {(d.kind, d.locator) for d in self.shared}
        new = [d for d in found if (d.kind, d.locator) not in known]
        if new:
            self.shared += new
            self._sets.clear()

    def relied(self, ran: frozenset[int] | None, code: Callable[[int], CodeType]) -> tuple[bytes, str | None]:
        """The digest of what an item relied on that ran this code (None: unknown), and what is wrong with it."""
        digest = self._sets.get(ran)
        if digest is not None:
            return digest, None
        if ran is not None and len(self._sets) >= MOST_SETS:
            return self.relied(None, code)
        codes = None if ran is None else [code(ident) for ident in ran]
        self.closure.narrow(codes)
        for one in codes or ():
            if not self.closure.knows(one) and not self.is_of_body(one):
                return b"", f"{one.co_qualname}() ran, and nothing that the body reads leads to it"
        dependencies = [replace(d, source=None) for d in self.closure.dependencies] + self.shared
        declared = [Dependency(Kind.VERSION, f"--{k}", v, v) for k, v in decide.declarations(self._options).items()]
        told = [d.to_dict() for d in [*declared, *dependencies]]
        allow = sorted(self._judgement.lifted)
        compared = [allow, [(d["kind"], d["locator"], d["fp"]) for d in told]]
        digest = xxhash.xxh3_128_digest(to_json(compared).encode("utf-8", "surrogatepass"))
        text = to_json({"allow": allow, "dependencies": told}, ensure_ascii=False, separators=(",", ":"))
        self._texts[digest] = text.encode("utf-8", "surrogatepass")
        self._sets[ran] = digest
        if not self._is_volatile(self._texts[digest]):
            self._contained[digest] = None
        return digest, None

    def text(self, digest: bytes) -> bytes:
        """The set with this digest, as it is written."""
        return self._texts[digest]

    # -- what was recorded

    def against(self, digest: bytes, text: bytes | None) -> Reason | None:
        """The first thing in a recorded set that is not so now; None if it is contained."""
        if digest in self._contained:
            return self._contained[digest]
        reason = self._against(text)
        if not self._is_volatile(text):
            self._contained[digest] = reason
        return reason

    def _is_volatile(self, text: bytes | None) -> bool:
        """Whether a set holds what is looked at each time."""
        kinds = self.environment.volatile
        if not kinds or text is None:
            return False
        return any(d.kind in kinds and (d.kind, d.locator) not in self.closure.found for d in self.dependencies(text))

    def _against(self, text: bytes | None) -> Reason | None:
        if text is None:
            return Reason(Code.STORE_UNREADABLE, "store", "items", "what an item relied on is not there")
        allow, told = self.told(text)
        for effect in allow:
            if not self._judgement.allows(effect):
                return Reason(Code.EFFECT, "", effect, f"it was saved under --allow {effect}, which is not given now")
        return self.mismatch([Dependency.from_dict(d) for d in told])

    def allows(self, effect: str) -> bool:
        """Whether a person allows what items were saved under."""
        return self._judgement.allows(effect)

    def mismatch(self, recorded: list[Dependency]) -> Reason | None:
        """The first of these that is not so now."""
        mismatch = decide.first_mismatch(recorded, self.environment, self._options)
        return None if mismatch is None else decide.explain(*mismatch, recorded, lambda name: [])

    def told(self, text: bytes) -> tuple[list[str], list[dict[str, Any]]]:
        """What a recorded set was saved under, and what is in it."""
        data = from_json(text.decode("utf-8", "surrogatepass"))
        return data["allow"], data["dependencies"]

    def dependencies(self, text: bytes) -> list[Dependency]:
        """A recorded set."""
        return [Dependency.from_dict(d) for d in self.told(text)[1]]

    def code_of(self, dependencies: Iterable[Dependency]) -> list[CodeType]:
        """The code behind recorded functions, as it is now."""
        found = []
        for dependency in dependencies:
            if dependency.kind is Kind.CODE:
                value: Any = self.environment.resolve(Kind.CODE, dependency.locator).value
                if isinstance(getattr(value, "__code__", None), CodeType):
                    found.append(value.__code__)
        return found
