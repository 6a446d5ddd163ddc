"""One value of every kind that a notebook may hold, by name; run as a notebook would run it, in any process."""

import abc
import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import operator
import pathlib
import random
import re
import types
import typing
import uuid
import zoneinfo

import attrs
import numpy as np
import pandas as pd
import pydantic
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    layers: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int
    y: tuple = ()


@attrs.define
class Attr:
    x: int = attrs.field(default=1, validator=attrs.validators.instance_of(int))
    y: list = attrs.Factory(list)


class Model(pydantic.BaseModel):
    name: str
    size: int | None = None
    config: list[Colour] = []
    _private: int = pydantic.PrivateAttr(7)

    @pydantic.field_validator("name", mode="before")
    @classmethod
    def clean(cls, value):
        return str(value).strip()


class Point(typing.NamedTuple):
    x: int
    y: float = 0.5


Pair = collections.namedtuple("Pair", "left right", defaults=[3])


class Base(abc.ABC):
    step = 3

    @abc.abstractmethod
    def run(self): ...

    @staticmethod
    def twice(x):
        return 2 * x

    @classmethod
    def make(cls):
        return cls()

    @property
    def size(self):
        return len(self.parts)

    @functools.cached_property
    def slow(self):
        return helper(self.step)


class Derived(Base):
    __slots__ = ("__hidden", "extra")

    def __init__(self, extra=1):
        self.parts = [1, 2]
        self.extra = extra
        self.__hidden = {"a": self.parts}

    def run(self):
        return super().size + self.__hidden["a"][0]


class Bag(dict):
    pass


class Words(list):
    def __len__(self):
        return 0


class Deck(collections.OrderedDict):
    pass


class Celsius(float):
    pass


@functools.total_ordering
class Version:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return self.n == other.n

    def __lt__(self, other):
        return self.n < other.n

    def __hash__(self):
        return hash(self.n)


class Adder:
    def __init__(self, n):
        self.n = n

    def __call__(self, x):
        return x + self.n


T = typing.TypeVar("T", bound=Base)


class Box(typing.Generic[T]):
    content: T


class Odd(ValueError):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


LIMITS = {"low": 1, "high": 9}


def helper(x):
    return x * LIMITS["low"] + deep(x)


def deep(x):
    return np.clip(x, 0, 10)


def counter():
    n = 0

    def up():
        nonlocal n
        n += 1
        return n

    def get():
        return n

    return up, get


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def decorated(x: int, *rest, flag: bool = True, **more) -> "Config":
    """Say something."""
    return [y for y in rest if y > x and flag], {k: (lambda v=v: v)() for k, v in more.items()}


@functools.singledispatch
def area(shape):
    return 0


@area.register
def _(shape: int):
    return shape


@contextlib.contextmanager
def opened(name):
    try:
        yield name
    finally:
        helper(1)


def cycle():
    ring = [1]
    ring.append({"ring": ring, "t": (ring,)})
    return ring


def fitted():
    x = np.arange(40.0).reshape(20, 2)
    return LogisticRegression(C=2).fit(x, x[:, 0] > 9)


def masked():
    return np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])


def generator():
    rng = np.random.default_rng(4)
    rng.random(3)
    return rng


def frame():
    made = pd.DataFrame(
        {
            "price": [1.5, np.nan, 3.0],
            "name": ["a", None, "c"],
            "when": pd.date_range("2024-01-01", periods=3, tz="Europe/Paris"),
            "kind": pd.Categorical(["x", "y", "x"], ordered=True),
            "count": pd.array([1, None, 3], dtype="Int64"),
            1: [True, False, True],
        },
        index=pd.Index([3, 1, 2], name="id"),
    )
    made.attrs["source"] = "test"
    return made


structured = np.zeros(3, dtype=np.dtype([("a", "i1"), ("b", "<f8"), ("c", "U3")], align=True))
structured["b"] = [1, 2, 3]

ZOO = {
    "none": None,
    "ints": [0, -1, 2**31, 2**70, True],
    "floats": [0.0, -0.0, float("inf"), float("nan"), 1e300],
    "complex": 1 - 2j,
    "text": ["", "é", "\ud800", "a\0b"],
    "bytes": [b"", b"\0\xff", bytearray(b"x")],
    "nested": {"a": [1, (2, {"b": {3, 4}})], (1, "x"): None, 5: frozenset({"q", "r"})},
    "set": {"alpha", "beta", "gamma", 1, 2.5, None, ("t", 1), frozenset({"u", "v", ("w",)})},
    "set of objects": {Frozen(i, ("a", i)) for i in range(9)} | {Version(i) for i in range(9)},
    "set of functions": {helper, deep, len, int},
    "frozenset": frozenset(str(i) for i in range(50)),
    "cycle": cycle(),
    "range": range(1, 10, 3),
    "slice": slice(1, None, 2),
    "ellipsis": [..., NotImplemented],
    "ordered": collections.OrderedDict(b=1, a=[2]),
    "default": collections.defaultdict(list, a=[1]),
    "counts": collections.Counter("hello"),
    "deque": collections.deque([1, [2]], maxlen=5),
    "chain": collections.ChainMap({"a": 1}, {"b": 2}),
    "proxy": types.MappingProxyType({"a": [1]}),
    "keys": {"a": 1}.keys(),
    "namespace": types.SimpleNamespace(lr=0.1, name="x"),
    "array": array.array("d", [1.0, 2.0]),
    "date": datetime.date(2024, 2, 29),
    "datetime": datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.UTC, fold=1),
    "zoned": datetime.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    "time": datetime.time(1, 2),
    "delta": datetime.timedelta(days=-1, microseconds=3),
    "decimal": [decimal.Decimal("1.10"), decimal.Decimal("-0"), decimal.Decimal("NaN")],
    "context": decimal.Context(prec=5),
    "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=7),
    "path": pathlib.Path("a") / "b",
    "pattern": re.compile("a+", re.IGNORECASE),
    "address": [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8")],
    "random": random.Random(3),
    "stream": io.StringIO("text"),
    "enum": [Colour.RED, Colour.GREEN, Mode.READ | Mode.WRITE],
    "config": Config(0.5, [1]),
    "frozen": Frozen(1, (2,)),
    "attr": Attr(2, [3]),
    "model": Model(name=" n ", config=[Colour.RED]),
    "point": Point(1),
    "pair": Pair(1, 2),
    "derived": Derived(4),
    "bag": Bag(a=1),
    "words": Words("ab"),
    "deck": Deck(a=1),
    "celsius": Celsius(3.5),
    "adder": Adder(3),
    "error": Odd(3),
    "sentinel": object(),
    "classes": [
        Base,
        Derived,
        Config,
        Frozen,
        Attr,
        Model,
        Point,
        Pair,
        Colour,
        Mode,
        Bag,
        Version,
        Box,
        Odd,
        int,
        dict,
    ],
    "annotations": [list[Config], Config | None, typing.Literal[1, "a"], typing.Optional[Colour], Box[Derived]],  # noqa: UP045
    "functions": [helper, decorated, opened, area, len, np.mean, np.add, operator.add, str.join, [].append],
    "closures": counter(),
    "partial": functools.partial(helper, 3),
    "method": Adder(3).__call__,
    "caller": operator.itemgetter(1, 2),
    "lambdas": {"double": lambda x: 2 * x, "half": lambda x: x / 2},
    "floats32": np.arange(6, dtype="f4").reshape(2, 3),
    "strided": np.arange(12)[::-2],
    "empty": np.zeros((0, 3)),
    "zero-d": np.array(3.5),
    "scalars": [np.float32(1), np.bool_(True), np.int64(3), np.str_("a"), np.datetime64("2024-01-01", "D")],
    "structured": structured,
    "objects": np.array([1, "a", None, [2]], dtype=object),
    "dates": np.array(["2024-01-01", "NaT"], dtype="M8[s]"),
    "strings": np.array(["a", "long text that does not fit into the element"], dtype=np.dtypes.StringDType()),
    "big endian": np.arange(3, dtype=">i4"),
    "matrix": np.matrix([[1, 2]]),
    "masked": masked(),
    "generator": generator(),
    "random state": np.random.RandomState(5),
    "dtype": [np.dtype("f8"), structured.dtype],
    "vectorized": np.vectorize(helper),
    "sparse": scipy.sparse.csr_array(np.eye(3)),
    "frame": frame(),
    "series": pd.Series([1, 2], name=("a", 1), index=pd.period_range("2024", periods=2, freq="M")),
    "multi": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["k", None]),
    "indexes": [
        pd.RangeIndex(3),
        pd.interval_range(0, 3),
        pd.timedelta_range("1h", periods=2),
        pd.Index([True, False]),
    ],
    "extension": [pd.array(["a", None]), pd.array([1.5, None], dtype="Float64"), pd.arrays.SparseArray([0, 0, 1])],
    "timestamps": [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta("1h"), pd.NA, pd.NaT, pd.Period("2024", "M")],
    "interval": [pd.Interval(0, 1), pd.offsets.MonthEnd(2)],
    "categories": pd.CategoricalDtype(["a", "b"]),
    "estimator": DecisionTreeClassifier(max_depth=3, random_state=0),
    "fitted": fitted(),
    "tree": DecisionTreeClassifier(random_state=0).fit(np.arange(20.0).reshape(10, 2), np.arange(10) % 2),
    "pipeline": make_pipeline(StandardScaler(), FunctionTransformer(deep), LogisticRegression()),
}
