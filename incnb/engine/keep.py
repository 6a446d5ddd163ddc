"""Groups of outputs on their way to the store: checked to come back as they were, written, and described."""

from __future__ import annotations

import ast
import base64
import gc
import sys
import types
from collections.abc import Callable
from typing import Any

from incnb.dependencies import bindings
from incnb.engine.hidden import holds_mutable
from incnb.fingerprint import ABSENT, Unfingerprintable
from incnb.fingerprint.door import encode_with
from incnb.outputs.events import Event
from incnb.outputs.held import held
from incnb.outputs.loaded import resolver, restore
from incnb.outputs.variables import RESULT, Group, NotSaved, owned_in
from incnb.store import LoadError, Store, load

INLINE = 64 * 1024
FEW = 20  # pieces of a small value that are told apart
_OWN_BASES = sys.stdlib_module_names | {"builtins"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def group_record(store: Store, group: Group, namespace: dict[str, Any]) -> tuple[dict[str, Any], int]:
    data = group.pickled.data
    record: dict[str, Any] = {
        "names": group.names,
        "patched": group.patched,
        "bytes": group.size,
        "refers": group.refers,
    }
    if len(data) <= INLINE:
        record["pickle"] = base64.b64encode(data).decode()
    else:
        record["blob"] = store.put_blob(data).to_dict()
    record["buffers"] = [store.put_blob(buffer).to_dict() for buffer in group.pickled.buffers]
    record["tree"] = {}
    record["words"] = []
    if not group.partial and not group.patched:
        classes: set[str] = set()
        for name in group.names:
            if name == RESULT:
                continue
            found = bindings.describe(namespace[name], name)
            if found.fp is not None and found.met is not None:
                record["tree"][name] = found.fp
                classes |= {c.rpartition(":")[2].partition(".")[0] for c in found.met.code}
                parts = bindings.parts_of(namespace[name]) or {}
                if group.size <= INLINE and len(parts) > FEW:
                    continue
                record["tree"].update({f"{name}{part}": fp for part, fp in parts.items()})
        record["words"] = sorted(classes)
    return record, group.size


def check_faithful(
    group: Group,
    values: dict[str, Any],
    namespace: dict[str, Any],
    namespaces: Callable[[str], dict[str, Any]] | None = None,
) -> None:
    """What is saved must come back as it was: classes may have their own ways of pickling. Raises `NotSaved`.

    Groups that hold objects of classes of ours are loaded once to see; `namespaces` is where references lead.
    """

    def live(module: str) -> dict[str, Any]:
        return namespace if not module else sys.modules[module].__dict__

    before = {name: bindings.describe(values[name], name) for name in group.names}
    if not any(b.met is not None and b.met.code for b in before.values()):
        return
    for cls in {id(c): c for b in before.values() if b.met is not None for c in b.met.code.values()}.values():
        if isinstance(cls, type) and "__slotnames__" in cls.__dict__:
            delattr(cls, "__slotnames__")  # pickle's note on the user's class
    try:
        buffers = [bytearray(b) for b in group.pickled.buffers]
        loaded = restore(group.pickled.data, buffers, resolver(namespaces or live), namespace, load)
    except (LoadError, LookupError, AttributeError) as error:
        raise NotSaved(f"{', '.join(group.names)} cannot be loaded again: {error}") from error
    after = {name: bindings.describe(loaded.values[name], name) for name in group.names}
    for name, was in before.items():
        if was.fp is not None and was.fp != after[name].fp:
            raise NotSaved(f"{name} comes back changed by its own way of pickling")


def check_caches(
    caches: dict[int, tuple[Any, Any]],
    events: list[Event],
    values: list[Any],
    namespace: dict[str, Any],
    *,
    observed: bool,
) -> None:
    """A cache that a run filled is not filled on reuse; that must make no difference but time. Raises `NotSaved`.

    `observed`: the run looked at files or variables of the environment, so the cache may hold what they were.
    """
    grown = [cache for cache, before in caches.values() if cache.cache_info() != before]
    if not grown:
        return
    name = grown[0].__wrapped__.__qualname__
    if any(event.type != "clear" for event in events):
        raise NotSaved(f"it filled the cache of {name}(), and something was shown")
    if observed:
        raise NotSaved(f"it filled the cache of {name}(), perhaps with what it read from outside")
    if any(map(holds_mutable, grown)):
        raise NotSaved(f"the cache of {name}() holds objects that a later cell may change")
    owned = owned_in(namespace)
    inside = held(gc.get_referents(*grown), owned)
    outside = held([value for value in values if not any(value is cache for cache in grown)], owned)
    if any(ident in outside and not isinstance(value, types.FunctionType) for ident, value in inside.items()):
        raise NotSaved(f"it keeps an object that the cache of {name}() holds too")


def check_pristine(statements: list[ast.stmt], names: set[str], namespace: dict[str, Any], flags: int) -> None:
    """Definitions that run again on reuse must give what is there now: nothing may have been set on them since.

    Raises `NotSaved`.
    """
    bodies: list[ast.stmt] = [s for s in statements if isinstance(s, _DEFINITIONS)]
    if not bodies:
        return
    for name in sorted(names):
        derived = namespace.get(name)
        for base in derived.__mro__[1:] if isinstance(derived, type) else ():
            if "__init_subclass__" in vars(base) and base.__module__.partition(".")[0] not in _OWN_BASES:
                raise NotSaved(f"{base.__qualname__} does something when it is derived, as {name} is")
    classes = any(isinstance(s, ast.ClassDef) and s.bases for s in bodies)
    scratch = dict(namespace)
    try:
        exec(compile(ast.Module(bodies, []), "<definitions>", "exec", flags, dont_inherit=True), scratch)
        for name in sorted(names):
            now, fresh = namespace.get(name, ABSENT), scratch.get(name, ABSENT)
            if isinstance(now, types.ModuleType) or now is fresh:
                continue
            if now is ABSENT or _own(now, name) != _own(fresh, name):
                raise NotSaved(f"{name} was changed after its definition")
    finally:
        scratch.clear()  # its functions and it hold each other, and with them the whole notebook
        fresh = None
        if classes:
            gc.collect(1)  # or their bases would know classes that are nobody's


def _own(value: Any, name: str) -> bytes | None:
    """The fingerprint of a definition without what it reads from its globals; of a class, with it."""
    if isinstance(value, types.FunctionType):
        return encode_with(lambda encoder: encoder.own_function(value), name).digest()
    try:
        return encode_with(lambda encoder: encoder.encode(value), name).digest()
    except Unfingerprintable:
        return None
