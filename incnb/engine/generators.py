"""The global random generators: whether anybody has seeded them, and whether a state is that of a fresh seed.

Seeding is told twice. `Seeded` knows, for words only, which generators cells of this session have seeded: a cell that
draws from one that nobody seeded could never be reused, and is told so. `is_fresh` proves that a state follows from a
seed and from nothing before it: it seeds a generator of its own in the same way and compares.
"""

from __future__ import annotations

import ast
import random
import re
import sys
import types
from collections.abc import Iterable
from typing import Any

from incnb.analysis import mentions
from incnb.dependencies import ambient
from incnb.engine import states
from incnb.fingerprint.code import references

ADVICE = {
    ambient.PYTHON_RANDOM: (
        "it draws from Python's global random generator, which nobody seeded: random.seed(0) before, "
        "or use a random.Random(0)"
    ),
    ambient.NUMPY_RANDOM: (
        "it draws from numpy's global random generator, which nobody seeded: np.random.seed(0) before, "
        "or pass random_state=0 or a default_rng(0)"
    ),
    ambient.TORCH_RANDOM: (
        "it draws from torch's global random generator, which nobody seeded: torch.manual_seed(0) before, "
        "or pass a generator"
    ),
}
_SEEDING = re.compile(r"seed|^set_?state$|^set_rng_state", re.I)
_SEEDING_TEXT = re.compile(r"seed\w*\s*\(|set_?state\s*\(|set_rng_state")


def _seeds(word: str, namespace: dict[str, Any]) -> bool:
    if _SEEDING.search(word):
        return True
    value = namespace.get(word)
    return type(value) is types.FunctionType and any(map(_SEEDING.search, references(value.__code__).attributes))


class Seeded:
    """Which global generators were seeded in this session."""

    def __init__(self, namespace: dict[str, Any]):
        self._namespace = namespace
        self.known: set[str] = set()
        self._before: states.States | None = None
        earlier = [text for text in namespace.get("In", []) if isinstance(text, str)]
        if any(map(_SEEDING_TEXT.search, earlier)):
            self.known |= set(ambient.GENERATORS)

    def before(self, tree: ast.AST) -> None:
        """A cell is about to run."""
        self._before = now() if any(_seeds(word, self._namespace) for word in mentions(tree)) else None

    def after(self) -> None:
        """It has run: what it moved, it seeded."""
        before, self._before = self._before, None
        if before is not None:
            after = now()
            self.known |= {name for name in ambient.GENERATORS if not states.same(before, after, name)}


def now() -> states.States:
    """The states of the generators."""
    return states.read([name for name in ambient.PROBES if name not in ambient.GENERATORS])


def is_fresh(locator: str, current: dict[str, tuple[str, Any]], candidates: Iterable[Any]) -> bool:
    """Whether the state of a generator is what seeding with one of the candidates gives."""
    wanted = {key: pair[0] for key, pair in current.items()}
    if set(wanted) != {"state"}:
        return False
    state = current["state"][1]
    if locator == ambient.TORCH_RANDOM:
        torch = sys.modules["torch"]
        made = torch.Generator().manual_seed(torch.initial_seed())
        return bool(bytes(made.get_state().numpy()) == state)
    seeds = list(candidates)
    if locator == ambient.NUMPY_RANDOM:
        if state.get("bit_generator") != "MT19937":
            return False
        seeds.insert(0, int(state["state"]["key"][0]))  # the first word is the seed, where it is a number
    for seed in seeds:
        try:
            made = _seeded(locator, seed)
        except Exception:  # whatever is no seed for it
            continue
        if made is not None and ambient.token(made) == wanted["state"]:
            return True
    return False


def is_as_loaded(locator: str, current: dict[str, tuple[str, Any]]) -> bool:
    """Whether a generator stands where its library left it when it was loaded: nothing was drawn, nobody seeded it.

    numpy seeds its own from fresh entropy and keeps that; a generator made from the same entropy tells. Entropy that
    a person chose, who put another bit generator in its place, is told by its size.
    """
    get = getattr(sys.modules.get("numpy.random"), "get_bit_generator", None)
    if locator != ambient.NUMPY_RANDOM or get is None or "state" not in current:
        return False
    numpy: Any = sys.modules["numpy.random"]
    now, bits = current["state"][1], get()
    entropy = getattr(getattr(bits, "seed_seq", None), "entropy", None)
    if type(bits) is not numpy.MT19937 or type(entropy) is not int or entropy.bit_length() <= 64:
        return False
    fresh = numpy.MT19937(bits.seed_seq).state["state"]
    same = now["state"]["pos"] == fresh["pos"] and bool((now["state"]["key"] == fresh["key"]).all())
    return same and not now.get("has_gauss")


def _seeded(locator: str, seed: Any) -> Any:
    if seed is None:
        return None
    if locator == ambient.PYTHON_RANDOM:
        made = random.Random(0)
        if isinstance(seed, tuple):
            made.setstate(seed)
        else:
            made.seed(seed)
        return made.getstate()
    numpy: Any = sys.modules["numpy.random"]
    if isinstance(seed, tuple | dict):
        made = numpy.RandomState(0)
        made.set_state(seed)
    else:
        made = numpy.RandomState(seed)
    return made.get_state(legacy=False)
