"""`Config`: settings that cannot change, and that say which of their keys are really read.

A cell that reads `cfg.model.lr` relies on that key and on no other, wherever the reading happens: in a helper that got
`cfg` as an argument, through another name, in a thread. No analysis can tell that of a plain dict once it is handed on,
so the object itself tells: every read passes through the few methods below, and while a tracked cell runs the engine
listens. What sees all of it (iteration, `len`, `==`, `repr`, `**cfg`, `to_dict`, pickling) is a read of all of it.

Why nothing inside can be changed in place: a key that was handed out would otherwise be another value by the time the
cell ends, and a cell that is reused would leave other settings behind than one that executes. So dicts become `Config`,
lists become tuples (a copy of a list would swallow an `append` in silence; a tuple says no), sets become frozensets,
and what can still be changed (an array, a frame, an object of a class) is refused when the `Config` is made.

`Config` is not a dict, on purpose: C code reads a dict past its methods, and nobody would hear of it. Its one slot is
read here without a word by the rooms below (`contents`), which fingerprint, save and compare it.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NoReturn, Protocol, final

from incnb.model import IncnbError, shorten


class ConfigError(IncnbError, TypeError):
    """A `Config` was to be changed, or made from what it cannot hold, or from a file that cannot be read."""


class Listener(Protocol):
    """Hears of every read, in whatever thread, at the moment it happens; must not raise."""

    def key(self, config: Config, key: str | int) -> None:
        """The value of one key was asked for, present or not."""

    def presence(self, config: Config, key: str | int) -> None:
        """Whether there is such a key was asked for."""

    def everything(self, config: Config) -> None:
        """All of it was seen."""

    def made(self, config: Config) -> None:
        """A new one was made."""


_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Tell `listener` of every read from now on; None = nobody."""
    global _listener
    _listener = listener


@final
class Config(Mapping[Any, Any]):
    """Nested settings that cannot be changed: `cfg.model.lr` and `cfg["model"]["lr"]` are one.

    `Config({"lr": 0.1})` or `Config(lr=0.1)`. Keys are text, numbers, booleans or None; one that is called like a
    method (`cfg["items"]`) or is no identifier is reached with brackets. Values are numbers, text, dates, paths, enum
    members, functions, classes and the like; dicts in it become `Config`, lists tuples, sets frozensets. Raises
    `ConfigError` for values that can be changed in place.
    """

    __slots__ = ("_data",)
    _data: dict[Any, Any]

    def __new__(cls, values: Mapping[Any, Any] | None = None, /, **settings: Any) -> Config:
        if not isinstance(values, Mapping | None):
            raise ConfigError(f"a Config is made from a dict, not from a {type(values).__qualname__}")
        self = object.__new__(cls)
        try:
            data = {_key(k): _frozen(v, f"[{k!r}]") for k, v in {**(values or {}), **settings}.items()}
        except RecursionError:
            raise ConfigError("a Config cannot hold itself, or something that deeply nested") from None
        _SLOT.__set__(self, data)
        if _listener is not None:
            _listener.made(self)
        return self

    def __init_subclass__(cls) -> None:
        raise ConfigError("Config has no subclasses: what a subclass reads could not be followed key by key")

    # -- reading one key

    def _look(self, key: Any) -> Any:
        data = contents(self)
        if _listener is not None:
            if is_simple(key):
                _listener.key(self, key)
            else:
                _listener.everything(self)
        return data.get(key, _MISSING)

    def __getitem__(self, key: Any) -> Any:
        value = self._look(key)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __getattr__(self, name: str) -> Any:
        value = _MISSING if name.startswith("__") and name.endswith("__") else self._look(name)
        if value is _MISSING:
            raise AttributeError(f"this Config has no {name!r}", name=name, obj=self)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        value = self._look(key)
        return default if value is _MISSING else value

    def __contains__(self, key: object) -> bool:
        data = contents(self)
        if _listener is not None:
            if is_simple(key):
                _listener.presence(self, key)  # type: ignore[arg-type]
            else:
                _listener.everything(self)
        return key in data

    # -- seeing all of it

    def _all(self) -> dict[Any, Any]:
        if _listener is not None:
            _listener.everything(self)
        return contents(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Config):
            return bool(self._all() == other._all())
        if isinstance(other, Mapping):
            return bool(self.to_dict() == _thawed(dict(other)))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._all().items()))

    def __repr__(self) -> str:
        data = self._all()
        if all(type(key) is str and key.isidentifier() for key in data):
            return f"Config({', '.join(f'{key}={value!r}' for key, value in data.items())})"
        return f"Config({data!r})"

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(key for key in self._all() if type(key) is str and key.isidentifier())]

    def _ipython_key_completions_(self) -> list[Any]:
        return list(self._all())

    def to_dict(self) -> dict[Any, Any]:
        """A plain copy that may be changed: dicts and lists all the way down, as YAML, TOML and JSON are made of."""
        thawed: dict[Any, Any] = _thawed(self._all())
        return thawed

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (dict(self._all()),)

    def __copy__(self) -> Config:
        return self

    def __deepcopy__(self, memo: Any) -> Config:
        return self

    def __incnb_fingerprint__(self) -> object:
        return contents(self)

    # -- new ones

    def with_(self, changes: Mapping[Any, Any] | None = None, /, **settings: Any) -> Config:
        """A new Config with some keys changed or added; a nested part is replaced whole.

        `cfg.with_(model=cfg.model.with_(lr=0.2))` changes one key of a part.
        """
        return Config({**self._all(), **(changes or {}), **settings})

    def __or__(self, other: object) -> Config:
        return self.with_(other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: object) -> Config:
        return Config({**other, **self._all()}) if isinstance(other, Mapping) else NotImplemented

    @classmethod
    def load(cls, path: str | PurePath) -> Config:
        """Read a YAML, TOML or JSON file, told by its suffix. Raises `ConfigError`, and `OSError` as `open` does."""
        suffix = PurePath(path).suffix.lower()
        reader = {".yaml": cls.from_yaml, ".yml": cls.from_yaml, ".toml": cls.from_toml, ".json": cls.from_json}
        if suffix not in reader:
            raise ConfigError(f"{path}: a Config is loaded from .yaml, .yml, .toml or .json")
        return reader[suffix](path)

    @classmethod
    def from_yaml(cls, path: str | PurePath) -> Config:
        """Read a YAML file; needs PyYAML."""
        try:
            import yaml
        except ImportError:
            raise ConfigError("a Config from YAML needs PyYAML: pip install 'incnb[yaml]'") from None
        return _parsed(path, yaml.safe_load, yaml.YAMLError)

    @classmethod
    def from_toml(cls, path: str | PurePath) -> Config:
        """Read a TOML file."""
        import tomllib

        return _parsed(path, tomllib.loads, tomllib.TOMLDecodeError)

    @classmethod
    def from_json(cls, path: str | PurePath) -> Config:
        """Read a JSON file."""
        import json

        return _parsed(path, json.loads, json.JSONDecodeError)

    @classmethod
    def from_dataclass(cls, settings: Any) -> Config:
        """The fields of a dataclass, attrs or pydantic object, and of such objects inside it."""
        found = _fields(settings)
        if found is None:
            raise ConfigError(f"a {type(settings).__qualname__} is no dataclass, attrs or pydantic object")
        return cls(found)

    # -- never changed

    def _refuse(self, key: Any) -> NoReturn:
        name = key if type(key) is str and key.isidentifier() else "key"
        raise ConfigError(f"a Config cannot be changed; cfg.with_({name}=...) gives a new one")

    def __setattr__(self, name: str, value: Any) -> None:
        self._refuse(name)

    def __delattr__(self, name: str) -> None:
        raise ConfigError("a Config cannot be changed: nothing is deleted from it")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse(key)

    def __delitem__(self, key: Any) -> None:
        raise ConfigError("a Config cannot be changed: nothing is deleted from it")


_SLOT: Any = vars(Config)["_data"]
_MISSING: Any = object()


def contents(config: Config) -> dict[Any, Any]:
    """What is inside, without anybody hearing of it; not to be changed."""
    found: dict[Any, Any] = _SLOT.__get__(config, Config)
    return found


def is_simple(key: object) -> bool:
    """Whether a key can be written as a step of a path."""
    return type(key) is str or (type(key) is int and key >= 0)


# -- from and to plain values

_IMMUTABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, type(...), Config, type, types.FunctionType,
     types.BuiltinFunctionType}
)  # fmt: skip
_IMMUTABLE_BY_NAME = frozenset(
    """
    datetime.date datetime.datetime datetime.time datetime.timedelta datetime.timezone zoneinfo.ZoneInfo decimal.Decimal
    fractions.Fraction uuid.UUID re.Pattern ipaddress.IPv4Address ipaddress.IPv6Address numpy.generic numpy.dtype
    numpy.ufunc torch.dtype torch.device pandas._libs.tslibs.timestamps.Timestamp
    pandas._libs.tslibs.timedeltas.Timedelta
    """.split()  # noqa: SIM905  one a line would be a page
)


def _key(key: Any) -> Any:
    if type(key) not in (str, int, float, bool, type(None)):
        raise ConfigError(f"a key of a Config is text, a number, a boolean or None, not a {type(key).__qualname__}")
    return key


def _frozen(value: Any, where: str) -> Any:
    """`value` as it can be held; `where` leads to it in messages."""
    cls = type(value)
    if cls in _IMMUTABLE:
        return value
    if isinstance(value, Mapping):
        try:
            return Config(value)
        except ConfigError as error:
            raise ConfigError(str(error).replace(" (at ", f" (at {where}")) from None
    if cls in (list, tuple):
        parts = tuple(_frozen(part, f"{where}[{i}]") for i, part in enumerate(value))
        return value if cls is tuple and all(a is b for a, b in zip(value, parts, strict=True)) else parts
    if cls in (set, frozenset):
        kept = frozenset(_frozen(part, where) for part in value)
        return value if cls is frozenset and all(_frozen(part, where) is part for part in value) else kept
    if isinstance(value, enum.Enum | type) or (isinstance(value, PurePath) and cls.__module__.startswith("pathlib")):
        return value
    if any(f"{base.__module__}.{base.__qualname__}" in _IMMUTABLE_BY_NAME for base in cls.__mro__):
        return value
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        if all(_frozen(part, f"{where}.{name}") is part for name, part in zip(cls._fields, value, strict=False)):
            return value
    elif cls.__module__.partition(".")[0] == "omegaconf":
        return _frozen(list(value), where)  # a ListConfig; a DictConfig is a mapping
    hint = "; Config.from_dataclass takes it apart" if _fields(value) is not None else ""
    raise ConfigError(f"a Config cannot hold a {cls.__qualname__}, which can be changed in place (at {where}){hint}")


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(part) for key, part in (contents(value) if type(value) is Config else value).items()}
    if type(value) in (tuple, list):
        return [_thawed(part) for part in value]
    return value


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass, attrs or pydantic object by name; None for anything else."""
    cls = type(value)
    for mark in ("__dataclass_fields__", "model_fields", "__attrs_attrs__"):
        fields = getattr(cls, mark, None)
        if isinstance(fields, Mapping | tuple):
            names = list(fields) if isinstance(fields, Mapping) else [field.name for field in fields]
            extra = getattr(value, "__pydantic_extra__", None) or {}
            return {name: _taken_apart(getattr(value, name)) for name in [*names, *extra] if hasattr(value, name)}
    return None


def _taken_apart(value: Any) -> Any:
    fields = _fields(value)
    if fields is not None:
        return fields
    if type(value) in (list, tuple):
        return [_taken_apart(part) for part in value]
    if type(value) is dict:
        return {key: _taken_apart(part) for key, part in value.items()}
    return value


def _parsed(path: str | PurePath, parse: Any, failure: type[Exception]) -> Config:
    text = Path(path).read_text(encoding="utf-8")
    try:
        found = parse(text)
    except failure as error:
        raise ConfigError(f"{path} cannot be read: {shorten(str(error))}") from None
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds a {type(found).__qualname__}, not settings by name")
    return Config(found)
