"""`incnb.Config` by itself: how it is made, read, changed into another one, and what it refuses."""

from __future__ import annotations

import builtins
import copy
import datetime
import enum
import functools
import pickle
import subprocess
import sys
import types
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from incnb import Config, ConfigError
from incnb.fingerprint import fingerprint

TREE = {"lr": 0.1, "model": {"depth": 3, "layers": [64, {"n": 32}]}, "names": {"a"}, 1: "one"}


def test_keys_and_attributes_are_one() -> None:
    cfg = Config(TREE)
    assert cfg.lr == cfg["lr"] == cfg.get("lr") == 0.1
    assert cfg.model.depth == cfg["model"]["depth"] == 3
    assert cfg[1] == "one" and cfg.get("none") is None and cfg.get("none", 5) == 5
    assert Config(lr=0.1) == Config({"lr": 0.1}) and Config({"lr": 1}, lr=2).lr == 2
    assert "lr" in cfg and "none" not in cfg and [] not in [cfg]
    assert list(cfg) == ["lr", "model", "names", 1] and len(cfg) == 4 and bool(cfg) and not Config()
    assert isinstance(cfg, Mapping) and {**cfg}["lr"] == 0.1 and dict(cfg.items())["lr"] == 0.1


def test_nothing_inside_can_be_changed() -> None:
    inside = [1, [2]]
    cfg = Config(a=inside, b={"c": {1, 2}})
    inside.append(3)
    assert cfg.a == (1, (2,)) and cfg.b.c == frozenset({1, 2}) and type(cfg.b) is Config
    for change in (
        lambda: setattr(cfg, "a", 1),
        lambda: cfg.__setitem__("a", 1),
        lambda: delattr(cfg, "a"),
        lambda: cfg.__delitem__("a"),
        lambda: setattr(cfg.b, "c", 1),
    ):
        with pytest.raises((ConfigError, TypeError)):
            change()
        assert cfg.a == (1, (2,))
    with pytest.raises(ConfigError, match=r"cannot be changed; cfg.with_\(lr=...\) gives a new one"):
        cfg.lr = 1  # type: ignore[misc]


def test_a_missing_key_is_named() -> None:
    cfg = Config(lr=1)
    with pytest.raises(KeyError, match="'lrr'"):
        cfg["lrr"]
    with pytest.raises(AttributeError, match="this Config has no 'lrr'"):
        cfg.lrr  # noqa: B018
    assert not hasattr(cfg, "__array__") and not hasattr(cfg, "_repr_html_")
    with pytest.raises(TypeError):
        cfg[[]]


def test_a_new_one_shares_what_stays() -> None:
    cfg = Config(TREE)
    other = cfg.with_(lr=0.2, model=cfg.model.with_(depth=4))
    assert (other.lr, other.model.depth, other.model.layers) == (0.2, 4, (64, Config(n=32)))
    assert (cfg.lr, cfg.model.depth) == (0.1, 3)
    assert (cfg | {"lr": 3}).lr == 3 and ({"lr": 3} | cfg).lr == 0.1 and ({"x": 3} | cfg).x == 3
    assert (cfg | {"lr": 3}).model is cfg.model and cfg.with_({"b c": 1})["b c"] == 1
    with pytest.raises(TypeError):
        cfg | 3  # type: ignore[operator]


def test_equality_hash_and_copies_go_by_content() -> None:
    cfg = Config(TREE)
    again = pickle.loads(pickle.dumps(cfg))
    assert again == cfg and hash(again) == hash(cfg) and again is not cfg and type(again.model) is Config
    assert fingerprint(again) == fingerprint(cfg) != fingerprint(cfg.with_(lr=2)) and {cfg: 1}[again] == 1
    assert copy.copy(cfg) is cfg and copy.deepcopy([cfg])[0] is cfg
    assert cfg == TREE and cfg != {"lr": 0.1} and cfg != 3 and cfg != Config(cfg, lr=2)
    assert fingerprint(Config(a=1)) != fingerprint({"a": 1})
    assert fingerprint(Config(a=1, b=2)) != fingerprint(Config(b=2, a=1))  # what iterates sees the order


def test_it_shows_what_it_is() -> None:
    assert repr(Config(lr=0.1, m={"n": [1]})) == "Config(lr=0.1, m=Config(n=(1,)))"
    assert eval(repr(Config(TREE))) == Config(TREE)
    assert repr(Config({"a b": 1})) == "Config({'a b': 1})"
    assert {"lr", "model", "with_"} <= set(dir(Config(TREE)))
    plain = Config(TREE).to_dict()
    assert plain == {**TREE, "names": frozenset({"a"})} and type(plain["model"]["layers"]) is list
    plain["model"]["depth"] = 9


class Color(enum.Enum):
    RED = 1


def act(x: int) -> int:
    return x


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 1.5, 1j, "a", b"a", range(3), ..., datetime.date(2020, 1, 1), datetime.timedelta(1), Path("a"), Color.RED,
     act, int, len, np.float32(1), np.dtype("f4"), np.float32, np.sqrt, pd.Timestamp("2020"), Pair(1, 2), frozenset({1}), lambda: 1],
)  # fmt: skip
def test_what_cannot_change_is_held_as_it_is(value: Any) -> None:
    assert Config(v=value).v is value


@dataclass
class Data:
    lr: float = 0.1
    inner: list[Any] = field(default_factory=list)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.zeros(3), r"cannot hold a ndarray, which can be changed in place \(at \['a'\]\['b'\]\[0\]\)"),
        (pd.DataFrame(), "DataFrame"),
        (bytearray(b""), "bytearray"),
        (types.SimpleNamespace(), "SimpleNamespace"),
        (Data(), r"Data, .*Config.from_dataclass takes it apart"),
        (functools.partial(act, 1), "partial"),
        (Pair([], 1), "Pair"),
        ({(1, 2): 3}, "a key of a Config is text, a number, a boolean or None, not a tuple"),
        (iter([]), "list_iterator"),
    ],
)
def test_what_can_change_is_refused_with_its_place(value: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Config({"a": {"b": [value]}})


def test_other_refusals() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="cannot hold itself"):
        Config(a=loop)
    with pytest.raises(ConfigError, match="made from a dict, not from a list"):
        Config([1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no subclasses"):
        type("Mine", (Config,), {})


def test_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("lr: 0.1\nmodel: {depth: 3, layers: [64, 32]}\nwhen: 2020-01-01\n")
    (tmp_path / "a.toml").write_text("lr = 0.1\nwhen = 2020-01-01\n[model]\ndepth = 3\nlayers = [64, 32]\n")
    (tmp_path / "a.json").write_text('{"lr": 0.1, "when": "é", "model": {"depth": 3, "layers": [64, 32]}}', "utf-8")
    made = [
        Config.from_yaml(tmp_path / "a.yaml"),
        Config.from_toml(str(tmp_path / "a.toml")),
        Config.from_json(tmp_path / "a.json"),
    ]
    for cfg, suffix in zip(made, ("yaml", "toml", "json"), strict=True):
        assert cfg.model.layers == (64, 32) and cfg.model.depth == 3
        assert Config.load(tmp_path / f"a.{suffix}") == cfg
    assert made[0] == made[1]
    (tmp_path / "empty.yml").write_text("# nothing\n")
    assert Config.load(tmp_path / "empty.yml") == Config()
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ConfigError, match=r"list.json holds a list, not settings by name"):
        Config.load(tmp_path / "list.json")
    for name, text in (("bad.yaml", "a: ["), ("bad.toml", "a ="), ("bad.json", "{")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=f"{name} cannot be read: ") as told:
            Config.load(tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(ConfigError, match="loaded from"):
        Config.load("a.ini")
    with pytest.raises(FileNotFoundError):
        Config.load(tmp_path / "none.yaml")


def test_yaml_tells_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"needs PyYAML: pip install 'incnb\[yaml\]'"):
        Config.from_yaml(tmp_path / "a.yaml")


def test_from_objects() -> None:
    @attrs.define
    class Attrs:
        lr: float = 0.1
        inner: Any = None

    class Model(pydantic.BaseModel):
        model_config = {"extra": "allow"}
        lr: float = 0.1
        inner: Any = None

    expected = Config(lr=0.1, inner={"lr": 0.2, "inner": [{"lr": 0.3, "inner": []}]})
    assert Config.from_dataclass(Data(inner=[1])) == Config(lr=0.1, inner=[1])
    assert Config.from_dataclass(Attrs(inner=Data(0.2, [Data(0.3)]))) == expected
    assert Config.from_dataclass(Model(inner=Data(0.2, [Data(0.3)]), more=1)) == expected.with_(more=1)
    with pytest.raises(ConfigError, match="a dict is no dataclass, attrs or pydantic object"):
        Config.from_dataclass({})
    assert Config(OmegaConf.create({"a": 1, "b": "${a}", "c": [1, {"d": "${a}"}]})) == Config(a=1, b=1, c=[1, {"d": 1}])
    assert Config(OrderedDict(a=types.MappingProxyType({"b": 1}))).a.b == 1


def test_importing_incnb_stays_cheap() -> None:
    code = "import sys, incnb; bad = {'yaml', 'incnb.config', 'tomllib'} & set(sys.modules); assert not bad, bad; incnb.Config(a=1)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[1])


ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
TREES = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_size=4,
)


@given(TREES)
def test_any_tree_goes_in_and_comes_out(tree: dict[str, Any]) -> None:
    cfg = Config(tree)
    assert cfg.to_dict() == tree and Config(cfg.to_dict()) == cfg and pickle.loads(pickle.dumps(cfg)) == cfg
    assert fingerprint(Config(copy.deepcopy(tree))) == fingerprint(cfg)
    hash(cfg)
