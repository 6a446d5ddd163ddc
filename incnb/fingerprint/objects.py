"""Objects that no handler knows: their class and their state.

Instances of notebook and project classes are their raw state (`__dict__` and slots, and the contents of a container
they derive from) with the code of their class; no code of theirs runs. Instances of library classes are what they hand
to pickle, which their authors keep complete, with the qualified name of the class. Types whose reduction hides a
position or a handle are refused by name, before pickle gets to see them.
"""

from __future__ import annotations

import collections
import enum
import types
from collections.abc import Callable, Collection
from typing import Any

from incnb.fingerprint import origin
from incnb.fingerprint.classes import encode_class, reducer_of
from incnb.fingerprint.encoder import Encoder

_REFUSED_MODULES = frozenset(
    {"_io", "io", "_socket", "socket", "ssl", "_ssl", "subprocess", "threading", "_thread", "_threading_local",
     "queue", "_queue", "multiprocessing", "asyncio", "_asyncio", "concurrent", "select", "selectors", "mmap",
     "sqlite3", "_sqlite3", "weakref", "_weakref", "_weakrefset", "itertools", "tempfile", "_contextvars",
     "contextvars", "_ctypes", "ctypes", "zmq", "h5py", "sqlalchemy", "psycopg", "psycopg2", "requests", "httpx",
     "netCDF4", "tables", "rasterio", "fiona"}
)  # fmt: skip
#: Libraries whose objects are plans over files and tables that cannot all be found.
_PLANNING_MODULES = frozenset(
    {"dask", "distributed", "duckdb", "_duckdb", "ibis", "pyspark", "vaex", "daft", "datafusion", "datasets"}
)
_REFUSED_TYPES: tuple[type, ...] = (
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    memoryview,
    map,
    filter,
    zip,
    enumerate,
    reversed,
)


def encode_object(encoder: Encoder, value: Any) -> None:
    """Write an object by its own hook, its raw state, or its reduction."""
    cls = type(value)
    plan = encoder.plans.get(cls)
    if plan is None:
        plan = encoder.plans[cls] = _plan(encoder, cls)
    if plan is encode_class:
        encode_class(encoder, value)
    elif encoder.first_time(value):
        plan(encoder, value)


def _plan(encoder: Encoder, cls: type) -> Callable[[Encoder, Any], None]:
    if issubclass(cls, type):
        return encode_class
    if issubclass(cls, _REFUSED_TYPES):
        raise encoder.refuse(f"a {cls.__name__} has a hidden position")
    module = origin.module_of(cls)
    if origin.top_level(module) in _REFUSED_MODULES:
        raise encoder.refuse(f"a {module}.{origin.qualname_of(cls)} has state that cannot be read")
    if getattr(cls, "__incnb_fingerprint__", None) is not None:
        return _encode_hook
    if any(origin.top_level(origin.module_of(base)) in _PLANNING_MODULES for base in origin.mro(cls)):
        raise encoder.refuse(
            f"a {module}.{origin.qualname_of(cls)} is a plan over data that cannot all be known; fetch its result"
        )
    if issubclass(cls, enum.Enum):
        return _encode_enum_member
    if not origin.is_ours(origin.class_origin(cls)):
        return _encode_reduction
    return encode_raw_state if _has_raw_state(cls) else _encode_mixed


def _encode_hook(encoder: Encoder, value: Any) -> None:
    encoder.tag("hook")
    encode_class_of(encoder, value)
    encoder.encode(type(value).__incnb_fingerprint__(value))


def _encode_enum_member(encoder: Encoder, value: Any) -> None:
    encoder.tag("member")
    encode_class_of(encoder, value)
    encoder.text(str(value._name_))
    with encoder.at(".value"):
        encoder.encode(value._value_)


def encode_class_of(encoder: Encoder, value: Any) -> None:
    """Write the class of an instance."""
    if not encoder.met_before(type(value)):
        with encoder.at(".__class__"):
            encode_class(encoder, type(value))


# -- instances of our own classes


def encode_raw_state(encoder: Encoder, value: Any) -> None:
    """Write class, fields, slots and, where the class derives from a container of Python, the contents."""
    encoder.tag("instance")
    encode_class_of(encoder, value)
    encode_state(encoder, value)
    raw_contents(encoder, value)


def raw_contents(encoder: Encoder, value: Any) -> None:
    """Write what an instance holds as the container or atom of Python that its class derives from."""
    cls = type(value)
    if issubclass(cls, dict):
        if issubclass(cls, collections.defaultdict):
            encoder.encode(_DEFAULT_FACTORY(value))
        encoder.mapping("dict", _plain_dict(value))
    elif issubclass(cls, list):
        encoder.sequence("list", list(list.__iter__(value)))
    elif issubclass(cls, tuple):
        encoder.sequence("tuple", list(tuple.__iter__(value)))
    elif issubclass(cls, collections.deque):
        encoder.encode(_MAXLEN(value))
        encoder.sequence("deque", list(collections.deque.__iter__(value)))
    elif issubclass(cls, set):
        encoder.unordered("set", list(set.__iter__(value)))
    elif issubclass(cls, frozenset):
        encoder.unordered("frozenset", list(frozenset.__iter__(value)))
    else:
        for base, exact in _ATOMIC_BASES.items():
            if issubclass(cls, base):
                encoder.encode(exact(value))


_DEFAULT_FACTORY: Any = vars(collections.defaultdict)["default_factory"].__get__
_MAXLEN: Any = vars(collections.deque)["maxlen"].__get__


def _plain_dict(value: Any) -> dict[Any, Any]:
    """The items past overridden methods; an ordered dict keeps an order of its own."""
    if issubclass(type(value), collections.OrderedDict):
        return {key: dict.__getitem__(value, key) for key in collections.OrderedDict.__iter__(value)}
    return dict(dict.items(value))


_ATOMIC_BASES: dict[type, Any] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: lambda value: bytes(memoryview(value)),
}


def encode_state(encoder: Encoder, value: Any, *, without: Collection[str] = (), ordered: bool = True) -> None:
    """Write fields and filled slots of an instance, without running any code of its class."""
    fields = {k: v for k, v in origin.fields(value).items() if k not in without}
    encoder.attributes("fields", fields, ordered=ordered)
    slots: dict[str, Any] = {}
    for name, descriptor in slots_of(type(value)).items():
        try:
            slots[name] = descriptor.__get__(value, type(value))
        except AttributeError:
            continue
    encoder.attributes("slots", slots)


def slots_of(cls: type) -> dict[str, Any]:
    """The slot descriptors of a class and its bases, by name; one that a subclass repeats is told by its owner."""
    found: dict[str, Any] = {}
    for base in origin.mro(cls):
        if base not in _GROUND and base.__flags__ & _HEAP_TYPE:
            for name, member in origin.class_dict(base).items():
                if type(member) is types.MemberDescriptorType and member.__objclass__ is base:
                    found[name if name not in found else f"{name} of {origin.qualname_of(base)}"] = member
    return found


_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4
_GROUND: tuple[type, ...] = (
    collections.OrderedDict, collections.defaultdict, collections.deque, dict, list, tuple, set, frozenset, int, float,
    complex, str, bytes, bytearray, object,
)  # fmt: skip


def _has_raw_state(cls: type) -> bool:
    """Whether an instance of a class of ours is fully described by its fields, slots and contents.

    Not so when C code keeps fields of its own under it (an exception, a struct); the size of the instance tells.
    """
    bases = origin.mro(cls)
    ground = next(base for base in _GROUND if base in bases)
    size = ground.__basicsize__
    if cls.__dictoffset__ and not ground.__dictoffset__ and not cls.__flags__ & _MANAGED_DICT:
        size += 8
    if cls.__weakrefoffset__ > 0 and not ground.__weakrefoffset__:
        size += 8
    size += 8 * len(slots_of(cls))
    libraries = [base for base in bases if base not in _GROUND and not origin.is_ours(origin.class_origin(base))]
    return cls.__basicsize__ <= size and not any(map(_reduces_itself, libraries))


def _reduces_itself(cls: type) -> bool:
    found = origin.class_dict(cls)
    return "__reduce__" in found or "__reduce_ex__" in found


_REDUCING = frozenset({"__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"})


def _encode_mixed(encoder: Encoder, value: Any) -> None:
    """Write an instance of a class of ours over a library's: what the library's part hands to pickle, and our fields.

    A reduction of our own is not asked: it may leave things out, or do something.
    """
    cls = type(value)
    bases = origin.mro(cls)
    library = next(base for base in bases if not origin.is_ours(origin.class_origin(base)))
    ours = bases[: bases.index(library)]
    reduce: Any = None
    for base in bases[bases.index(library) :]:
        found = origin.class_dict(base)
        if base is object:
            break
        if "__reduce_ex__" in found:
            reduce = found["__reduce_ex__"].__get__(value, cls)(4)  # without the class, Python crashes on some of C
            break
        if "__reduce__" in found:
            reduce = found["__reduce__"].__get__(value, cls)()
            break
    if reduce is None:
        if any(_REDUCING & set(origin.class_dict(base)) for base in ours):
            raise encoder.refuse(f"a {cls.__qualname__} reduces itself over state in C")
        reduce = _reduce(encoder, value)
    encoder.tag("mixed")
    _write_reduction(encoder, value, reduce)
    encode_state(encoder, value)
    _encode_cause(encoder, value)


def _encode_cause(encoder: Encoder, value: Any) -> None:
    """What an exception came from, which no reduction tells."""
    if isinstance(value, BaseException):
        for name in ("__cause__", "__suppress_context__"):
            encoder.encode(vars(BaseException)[name].__get__(value, type(value)))


# -- instances of library classes


def _encode_reduction(encoder: Encoder, value: Any) -> None:
    encoder.tag("reduced")
    _write_reduction(encoder, value, _reduce(encoder, value))
    _encode_cause(encoder, value)


def _reduce(encoder: Encoder, value: Any) -> Any:
    cls = type(value)
    reduce = reducer_of(cls)
    try:
        return reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise encoder.refuse(f"a {cls.__qualname__} cannot be read ({type(error).__name__}: {error})") from error


def _write_reduction(encoder: Encoder, value: Any, reduced: Any) -> None:
    encode_class_of(encoder, value)
    if isinstance(reduced, str):  # a name in its module
        encoder.text(f"{getattr(value, '__module__', '')}:{reduced}")
        return
    function, arguments, *rest = reduced
    encoder.encode(function)
    with encoder.at("(…)"):
        encoder.encode(tuple(arguments))
    state, items, pairs = (*rest[:3], None, None, None)[:3]
    if type(state) is dict and all(type(k) is str for k in state):
        encoder.attributes("state", state)
    elif type(state) is tuple and list(map(type, state)) in ([dict, dict], [type(None), dict]):
        encoder.attributes("state", state[0] or {})
        encoder.attributes("slots", state[1])
    else:
        encoder.encode(state)
    encoder.encode(None if items is None else list(items))
    encoder.encode(None if pairs is None else dict(pairs))
