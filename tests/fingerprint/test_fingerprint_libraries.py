"""Objects of libraries: what they hand to pickle, with what would run of ours."""

from __future__ import annotations

import argparse
import functools
import operator
import types
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from fresh import run
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from incnb.fingerprint import ABSENT, fingerprint
from incnb.fingerprint.encoder import render, take_step

X = np.random.default_rng(0).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Ridge(alpha=1 + n),
        lambda n: LogisticRegression(C=1 + n),
        lambda n: SVC(C=1 + n),
        lambda n: DecisionTreeClassifier(max_depth=1 + n, random_state=0),
        lambda n: RandomForestClassifier(2 + n, random_state=0),
        lambda n: HistGradientBoostingClassifier(max_iter=2 + n, random_state=0),
        lambda n: KMeans(2 + n, n_init=1, random_state=0),
        lambda n: Pipeline([("s", StandardScaler()), ("m", Ridge(1 + n))]),
        lambda n: Pipeline([("s", StandardScaler(with_mean=bool(n))), ("m", Ridge())]),
        lambda n: GridSearchCV(Ridge(), {"alpha": [1, 2 + n]}, cv=2),
        lambda n: ColumnTransformer([("s", StandardScaler(), [n])]),
    ],
)
def test_estimators_are_parameters_and_what_they_learned(make: Any) -> None:
    fresh = make(0)
    assert fingerprint(fresh) == fingerprint(make(0)) == fingerprint(clone(fresh)) != fingerprint(make(1))
    fitted = make(0).fit(X, Y)
    assert fingerprint(fitted) != fingerprint(fresh)
    if not isinstance(fresh, GridSearchCV):  # it remembers how long it took
        assert fingerprint(fitted) == fingerprint(make(0).fit(X, Y))
        assert fingerprint(fitted) != fingerprint(make(0).fit(X * [2, 1, 1], Y[::-1]))
    before = fingerprint(fitted)
    repr(fitted)
    if hasattr(fitted, "predict"):
        fitted.predict(X)
    assert fingerprint(fitted) == before


def test_a_function_inside_an_estimator() -> None:
    source = "def helper(x): return x + {}\ndef scale(x): return helper(x)\n"
    one, other = (run(source.format(n)) for n in (1, 2))
    assert fingerprint(FunctionTransformer(one.scale)) != fingerprint(FunctionTransformer(other.scale))


def test_an_estimator_of_ours_over_theirs() -> None:
    source = """
        from sklearn.base import BaseEstimator, TransformerMixin
        class Mine(TransformerMixin, BaseEstimator):
            def __init__(self, n=1): self.n = n
            def fit(self, X, y=None): self.n_ = {}; return self
            def transform(self, X): return X + self.n_
    """
    one, other = run(source.format(1)), run(source.format(2))
    values = [one.Mine(), one.Mine(2), other.Mine(), one.Mine().fit(X), other.Mine().fit(X)]
    assert len({fingerprint(v) for v in values}) == len(values)
    assert fingerprint(one.Mine()) == fingerprint(run(source.format(1)).Mine())


def test_sparse_matrices() -> None:
    eye = np.eye(3)
    kinds = [
        f(eye)
        for n in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
        for f in (getattr(scipy.sparse, f"{n}_array"), getattr(scipy.sparse, f"{n}_matrix"))
    ]
    assert len({fingerprint(k) for k in kinds}) == len(kinds)
    for kind in kinds:
        other = kind.copy().tolil(copy=True)
        other[0, 1] = 5
        assert fingerprint(kind) == fingerprint(kind.copy()) != fingerprint(other.asformat(kind.format))
    made = scipy.sparse.csr_array(eye)
    before = fingerprint(made)
    made.has_sorted_indices, made.has_canonical_format, made @ made, made.sum()
    assert fingerprint(made) == before
    assert fingerprint(scipy.sparse.csr_array(eye)) != fingerprint(scipy.sparse.csr_array(eye.astype("f4")))


def test_configurations_of_omegaconf() -> None:
    OmegaConf = pytest.importorskip("omegaconf").OmegaConf

    def make(**values: Any) -> Any:
        return OmegaConf.create({"lr": 1, "layers": [1, 2], "deep": {"x": "${lr}"}, **values})

    changed, fixed = make(), make()
    changed.deep.x = 5
    OmegaConf.set_readonly(fixed, True)
    values = [make(), make(lr=2), make(lr="1"), make(layers=[2, 1]), make(more=None), changed, fixed, make().deep]
    assert len({fingerprint(v) for v in values}) == len(values)
    value = make()
    before = fingerprint(value)
    assert value.deep.x == 1
    repr(value), list(value), value.get("missing"), OmegaConf.to_container(value)
    assert fingerprint(value) == before == fingerprint(make())


def test_small_objects_of_the_standard_library() -> None:
    values = [
        operator.itemgetter(1),
        operator.itemgetter(2),
        operator.attrgetter("a"),
        operator.attrgetter("b"),
        operator.methodcaller("a"),
    ]
    values += [
        operator.methodcaller("a", 1),
        argparse.Namespace(a=1),
        argparse.Namespace(a=2),
        types.SimpleNamespace(a=1),
    ]
    values += [functools.cmp_to_key(len), functools.partialmethod(len)]
    assert len({fingerprint(v) for v in values[:-2]}) == len(values) - 2


def test_functions_of_one_name_in_two_modules() -> None:
    import posixpath

    import numpy.linalg

    assert fingerprint(scipy.sparse.linalg.norm) != fingerprint(numpy.linalg.norm)
    assert fingerprint(posixpath.join) != fingerprint(str.join)
    assert fingerprint(np.char.upper) != fingerprint(str.upper)


def test_a_closure_of_a_library_over_code_of_ours() -> None:
    source = "from contextlib import contextmanager\n@contextmanager\ndef f():\n    'Doc.'\n    yield {}\n"
    assert fingerprint(run(source.format(1)).f) != fingerprint(run(source.format(2)).f)


def test_a_class_that_a_library_made_is_known_by_what_is_in_it() -> None:
    import collections

    one, other = collections.namedtuple("P", "a b"), collections.namedtuple("P", "b a")
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one(1, 2)) != fingerprint(other(1, 2))
    assert fingerprint(one) == fingerprint(collections.namedtuple("P", "a b"))


# -- steps


def test_steps_through_stored_fields_only() -> None:
    book = run("""
        from dataclasses import dataclass
        import functools
        @dataclass
        class Plain:
            a: int = 1
        @dataclass
        class Child(Plain):
            b: int = 2
        @dataclass(slots=True)
        class Slotted:
            a: int = 1
        @dataclass
        class Computed:
            a: int = 1
            @property
            def b(self): return self.a
        @dataclass
        class Answering:
            a: int = 1
            def __getattr__(self, name): return 1
        @dataclass
        class Asked:
            a: int = 1
            def __getattribute__(self, name): return object.__getattribute__(self, name)
        class Removing:
            def __get__(self, obj, cls): return 5
            def __delete__(self, obj): pass
        @dataclass
        class Described:
            a: int = 1
        Described.b = Removing()
        class Ordinary:
            def __init__(self): self.a = 1
        class Proxy:
            def __init__(self): object.__setattr__(self, "a", 1)
            def __getattribute__(self, name): return 5
        import typing
        class Pair(typing.NamedTuple):
            a: int = 1
            @property
            def b(self): return self.a
    """)
    assert take_step(book.Plain(), "attr", "a") == (1,)
    for cls in (book.Child, book.Slotted, book.Ordinary, book.Computed, book.Answering, book.Described, book.Pair):
        assert take_step(cls(), "attr", "a") == (1,), cls
        for name in ("b", "missing", "__class__", "__dict__", "__eq__"):
            assert take_step(cls(), "attr", name) is None or (cls is book.Child and name == "b"), (cls, name)
    for cls in (book.Asked, book.Proxy):
        assert take_step(cls(), "attr", "a") is None, cls
    described = book.Described()
    described.__dict__["b"] = 7
    assert take_step(described, "attr", "b") is None
    empty = book.Slotted()
    del empty.a
    assert take_step(empty, "attr", "a") is None
    assert take_step([1, 2], "item", 1) == (2,) and take_step((1, 2), "item", 0) == (1,)
    assert take_step([1, 2], "item", 2) == (ABSENT,) and take_step([1, 2], "item", -1) is None
    assert take_step({-1: 1}, "item", -1) is None and take_step([1], "item", "a") is None
    assert take_step(book.Pair, "attr", "a") is None
    plain = book.Plain()
    assert take_step(plain, "attr", "missing") is None
    assert take_step(plain, "attr", "__class__") is None
    assert take_step(types.SimpleNamespace(a=[1]), "attr", "a") == ([1],)
    assert take_step(argparse.Namespace(a=1), "attr", "a") == (1,)
    assert take_step({"a": 1}, "item", "a") == (1,)
    assert take_step({"a": 1}, "item", "b") == (ABSENT,)
    assert take_step(__import__("collections").OrderedDict(a=1), "item", "a") is None
    assert take_step(__import__("collections").defaultdict(int), "item", "a") is None


def test_steps_through_modules() -> None:
    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            return object.__getattribute__(self, name)

    class Property(types.ModuleType):
        a = property(lambda self: 2)

    for module, expected in [
        (types.ModuleType("m"), (1,)),
        (Lazy("m"), None),
        (Property("m"), None),
    ]:
        module.__dict__["a"] = 1
        assert take_step(module, "attr", "a") == expected
    plain = types.ModuleType("m")
    assert take_step(plain, "attr", "b") == (ABSENT,)
    assert take_step(plain, "attr", "__class__") is None
    plain.__dict__["__getattr__"] = lambda name: 1
    assert take_step(plain, "attr", "b") is None


def test_a_path_is_shown_as_people_write_it() -> None:
    assert render("cfg", (("item", "a"), ("attr", "b"), ("item", 0))) == "cfg['a'].b[0]"
