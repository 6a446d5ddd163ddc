"""Saving values and bringing them back.

C pickle, protocol 5, does nearly all the work, at its speed: exact containers and atoms never reach our code. All
else is shown to `reducer_override` once, where it is decided by type: refused (`denied`), saved as the name that owns
it or by value (`byvalue`), treated with care (`arrays`), or left to pickle. Nothing is ever given to another pickler,
so sharing, cycles and refusals hold for the whole of what is dumped.

Things that do not work, with the reason for each: dill dumps open files, and truncates them when it loads; it re-points
the class of the top object only, so that nested instances belong to a class that is not the notebook's; cloudpickle
saves classes of `__main__` by value, with the same effect.

Buffers of 1 MiB and more stay outside the pickle: no copy is made when dumping, and they can be mapped when loading.

A pickler that fails is asked which object it was at; `parts` finds the way to it.

What remains: pickle runs code of the user (`__reduce__`, `__setstate__`), once per dump and load. Whatever it raises is
told, only a real KeyboardInterrupt passes. Depth is bounded by Python's recursion limit; where a user raised that limit
beyond what the C stack holds (Python 3.11), pickle would crash the process, so nothing is dumped at all.
"""

from __future__ import annotations

import importlib
import io
import logging
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incnb.model import IncnbError, shorten
from incnb.store import arrays, byvalue, denied, parts, plans, rebuild, tensors
from incnb.store.byvalue import Reduction, Refused
from incnb.store.rebuild import LoadError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

Refer = Callable[[object], tuple[Any, ...] | None]
Resolve = Callable[[tuple[Any, ...]], object]
Live = Callable[[str, str], object]
Shares = Callable[[object], bool]

# Up to Python 3.11 the limit is all that keeps pickle from overrunning the C stack: with the usual 8 MiB it crashed
# from 47,000 on, closures first. Later versions count C calls apart and cannot be talked out of it.
RECURSION_LIMIT: Final = 20_000 if sys.version_info < (3, 12) else sys.maxsize
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_REBUILD: Final = rebuild.__name__


class Unpicklable(IncnbError):
    """A value cannot be saved: `path` leads to the part that is in the way, `why` says what is wrong with it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be saved: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle and the big buffers outside it, which are views of the user's own memory."""

    data: bytes
    buffers: tuple[memoryview, ...]


class _Dumper(pickle.Pickler):
    """`last` is the object that pickle was at when it failed."""

    def __init__(
        self, sink: io.BytesIO, buffers: list[memoryview], live: Live, shares: Shares | None, namespace: dict[str, Any]
    ) -> None:
        def keep(buffer: pickle.PickleBuffer) -> bool:
            view = buffer.raw()
            if view.nbytes < arrays.OUT_OF_BAND:
                view.release()
                return True
            buffers.append(view)
            return False

        super().__init__(sink, 5, buffer_callback=keep)
        self.last: object = None
        self._live = live
        self._shares = shares
        self._namespace = namespace
        self._handlers: dict[type, Callable[[Any], Any] | None] = {}

    def forget(self) -> None:
        """Let go of the user's objects, which a cycle through the handlers would keep alive for a while."""
        self.last = None
        self._handlers.clear()
        self.clear_memo()

    def reducer_override(self, obj: Any) -> Any:
        self.last = obj
        cls = type(obj)
        try:
            handler = self._handlers[cls]
        except KeyError:
            handler = self._handlers[cls] = self._handler(cls)
        return NotImplemented if handler is None else handler(obj)

    def _handler(self, cls: type) -> Callable[[Any], Any] | None:
        """What to do with instances of `cls`; None = leave it to pickle."""
        why = denied.reason(cls)
        if why is not None and cls in byvalue.FILES:
            return lambda obj: byvalue.closed_file(obj) if obj.closed else self._refuse(obj, why)
        if why is not None:
            return lambda obj: self._refuse(obj, why)
        if cls is types.FunctionType:
            return self._function
        if issubclass(cls, type):
            return self._class
        if cls in byvalue.HANDLERS:
            return byvalue.HANDLERS[cls]
        if issubclass(cls, types.ModuleType):
            return self._module
        if issubclass(cls, BaseException):
            return self._exception
        if issubclass(cls, logging.Logger):
            return self._logger
        if cls in byvalue.IDENTITY_ONLY:
            constants = byvalue.constants()
            return lambda obj: constants.get(id(obj), NotImplemented)
        if cls.__module__ == "typing" and cls.__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType"):
            return self._named
        numpy = sys.modules.get("numpy")
        if numpy is not None and cls is getattr(numpy, "ndarray", None):
            return lambda obj: arrays.array(obj, self._shares)
        if tensors.is_tensor(cls):
            return tensors.tensor
        if tensors.is_storage(cls):
            return tensors.storage
        if plans.is_plan(cls):
            return plans.plan
        figure = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
        if figure is not None and issubclass(cls, figure):
            return arrays.figure
        return None

    def _refuse(self, obj: object, why: str) -> Any:
        # A cache on a function of a library belongs to the library; it is found again by its name.
        if type(obj).__name__ == "_lru_cache_wrapper" and getattr(obj, "__module__", "") != "__main__":
            found = byvalue.owned(obj, self._live)
            if found is not None:
                return found
        raise Refused(obj, why)

    def _function(self, obj: types.FunctionType) -> Any:
        found = byvalue.owned(obj, self._live)
        return byvalue.function(obj, self._namespace) if found is None else found

    def _class(self, obj: type) -> Any:
        if obj in (type(None), type(...), type(NotImplemented)):
            return NotImplemented
        found = byvalue.owned(obj, self._live)
        return byvalue.class_(obj) if found is None else found

    def _named(self, obj: Any) -> Any:
        found = byvalue.owned(obj, self._live)
        return NotImplemented if found is None else found

    def _module(self, obj: types.ModuleType) -> Reduction:
        why = denied.module_reason(obj)
        if why is not None:
            raise Refused(obj, why)
        return importlib.import_module, (obj.__name__,)

    def _logger(self, obj: logging.Logger) -> Any:
        """A logger is found again by its name; what was set on it would not be there."""
        if obj.level or obj.handlers or obj.filters or obj.disabled or (not obj.propagate):
            raise Refused(obj, "a logger that was set up")
        return NotImplemented

    def _exception(self, obj: BaseException) -> Any:
        why = denied.exception_reason(obj)
        if why is not None:
            raise Refused(obj, why)
        return NotImplemented


class _ReferringDumper(_Dumper):
    """Asks about every object that has an identity; apart, because being asked costs more than dumping an atom."""

    refer: Refer

    def persistent_id(self, obj: Any) -> Any:
        return None if type(obj) in _ATOMS else self.refer(obj)


def dump(
    value: object,
    *,
    root: str = "value",
    refer: Refer | None = None,
    live: Live | None = None,
    shares: Shares | None = None,
    namespace: dict[str, Any] | None = None,
) -> Pickled:
    """Save `value`, or raise Unpicklable.

    `root` is what the value is called in paths; empty for a dict of variables, whose keys are then the names. `refer`
    may store a tuple in place of any object but an atom. `live` says what a module and qualified name mean now (asked
    for `__main__` only), by default in `namespace`, the notebook's dict, by default that of `__main__`. `shares` says
    of an array whether its views are to come back as views of it.
    """
    if sys.getrecursionlimit() > RECURSION_LIMIT:
        why = f"sys.setrecursionlimit is above {RECURSION_LIMIT}, where pickling can crash Python"
        raise Unpicklable(root or "value", why)
    scope = rebuild.main_namespace() if namespace is None else namespace
    owner = live if live is not None else _live_in(scope)

    def attempt(part: object) -> tuple[Pickled | None, BaseException | None, object]:
        sink, buffers = io.BytesIO(), list[memoryview]()
        dumper = _Dumper(sink, buffers, owner, shares, scope)
        if refer is not None:
            dumper = _ReferringDumper(sink, buffers, owner, shares, scope)
            dumper.refer = refer
        try:
            dumper.dump(part)
        except BaseException as error:
            if type(error) is KeyboardInterrupt:
                raise
            return None, error, error.obj if isinstance(error, Refused) else dumper.last
        finally:
            dumper.forget()
        return Pickled(sink.getvalue(), tuple(buffers)), None, None

    pickled, error, culprit = attempt(value)
    if pickled is not None:
        return pickled
    path, why = root or "value", _why(error, culprit)
    if not isinstance(error, (RecursionError, MemoryError)):
        # Walking runs little of the user's code; where it does, that code may fail.
        with suppress(Exception):
            found = parts.find(value, root, lambda part: part is culprit)
            path = found if found is not None else parts.descend(value, root, lambda part: attempt(part)[0] is None)
    raise Unpicklable(path, why) from None


def _live_in(namespace: dict[str, Any]) -> Live:
    def live(module: str, qualname: str) -> object:
        try:
            return rebuild.live(namespace, qualname)
        except LoadError:
            return None

    return live


def _why(error: BaseException | None, culprit: object) -> str:
    if isinstance(error, Refused):
        return error.why
    if isinstance(error, RecursionError):
        return "too deeply nested"
    if isinstance(error, MemoryError):
        return "not enough memory"
    text = _said(error)
    if isinstance(error, (pickle.PicklingError, TypeError)) and "pickle" in text:
        return text
    return f"{type(culprit).__name__} raised {type(error).__name__}{': ' + text if text else ''}"


def _said(error: object) -> str:
    try:
        return shorten(str(error))
    except Exception:  # Of the user's own __str__.
        return ""


class _Loader(pickle.Unpickler):
    def __init__(
        self, source: io.BytesIO, buffers: Sequence[Buffer], resolve: Resolve | None, namespace: dict[str, Any]
    ) -> None:
        super().__init__(source, buffers=buffers)
        self._resolve = resolve
        self._namespace = namespace

    def persistent_load(self, pid: Any) -> Any:
        if self._resolve is None:
            raise LoadError("a part was saved as a reference, and nothing resolves references here")
        return self._resolve(pid)

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__":
            return rebuild.live(self._namespace, name)
        found = super().find_class(module, name)
        if module == _REBUILD and name in rebuild.NEED_NAMESPACE:
            namespace = self._namespace
            return lambda *args: found(namespace, *args)
        return found


def load(
    data: Buffer,
    buffers: Sequence[Buffer] = (),
    *,
    resolve: Resolve | None = None,
    namespace: dict[str, object] | None = None,
) -> object:
    """Bring back what `dump` saved, with names of the notebook looked up in `namespace`, or raise LoadError.

    `buffers` become the memory of the restored arrays; read-only ones are copied, because arrays that could be written
    to must be so again. Unpickling runs code: the caller has checked that the bytes are ours.
    """
    scope = rebuild.main_namespace() if namespace is None else namespace
    figures = dict(arrays.pyplot_figures())
    try:
        writable = [buffer if not memoryview(buffer).readonly else bytearray(buffer) for buffer in buffers]
        return _Loader(io.BytesIO(data), writable, resolve, scope).load()
    except LoadError:
        raise
    except BaseException as error:
        if type(error) is KeyboardInterrupt:
            raise
        said = _said(error)
        raise LoadError(
            f"a saved value cannot be loaded: {type(error).__name__}{': ' + said if said else ''}"
        ) from error
    finally:
        _forget_new_figures(figures)


def _forget_new_figures(before: dict[Any, Any]) -> None:
    """A figure that announces itself to pyplot while it is loaded would be shown under the wrong cell."""
    now = arrays.pyplot_figures()
    for number in [number for number, manager in now.items() if before.get(number) is not manager]:
        del now[number]
