"""Settings are followed by key: what a cell really read of an `incnb.Config`, and what `--config` comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

MAKE = "from incnb import Config\ncfg = Config({'lr': 0.01, 'seed': 7, 'model': {'lr': 0.1, 'depth': 3}, 'tags': ['a', 'b']})"


def edited(*changes: tuple[str, str]) -> str:
    text = MAKE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def twice(shells: Shells, before: list[str], cell: str, after: list[str], options: str = "") -> tuple[Any, str]:
    """Record a cell, restart, run other cells before it, and run it again: the shell and the status."""
    first = shells()
    for code in before:
        first.plain(code)
    assert first.cell(cell, options) == "executed"
    assert not any(reason.startswith(("not-saved", "unsafe")) for reason in first.reasons), first.reasons
    second = shells()
    for code in after:
        second.plain(code)
    return second, second.cell(cell, options)


OTHER = edited(("'seed': 7", "'seed': 8"), ("'depth': 3", "'depth': 4"))
HELPER = (
    "def train(c):\n    return c.lr * 2\ndef fit(m):\n    return m['lr'] + 1\ndef reads():\n    return cfg.model.lr"
)

READS_LR = {
    "a key": "r = cfg['lr'] * 2",
    "an attribute": "r = cfg.lr * 2",
    "get": "r = cfg.get('lr', 3)",
    "as an argument": "r = train(cfg)",
    "an alias": "c = cfg\nr = c.lr",
    "a list of them": "r = [c.lr for c in [cfg, cfg]]",
    "getattr": "r = getattr(cfg, 'l' + 'r')",
    "a thread": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool:\n    r = pool.submit(train, cfg).result()\ndel pool",
}


@pytest.mark.parametrize("cell", READS_LR.values(), ids=READS_LR)
def test_a_key_that_is_not_read_keeps_the_cell_reused(shells: Shells, cell: str) -> None:
    shell, status = twice(shells, [MAKE, HELPER], cell, [OTHER, HELPER])
    assert status == "reused", shell.reasons


@pytest.mark.parametrize("cell", READS_LR.values(), ids=READS_LR)
def test_a_key_that_is_read_reruns_the_cell_and_is_named(shells: Shells, cell: str) -> None:
    shell, status = twice(shells, [MAKE, HELPER], cell, [edited(("'lr': 0.01", "'lr': 0.02")), HELPER])
    assert status == "executed"
    assert shell.reasons[0] == "config cfg['lr'] changed: 0.01 → 0.02"


@pytest.mark.parametrize("cell", ["r = cfg.model.lr", "r = cfg['model']['lr']", "r = fit(cfg.model)", "r = reads()"])
def test_a_nested_key_is_followed_by_itself(shells: Shells, cell: str) -> None:
    shell, status = twice(shells, [MAKE, HELPER], cell, [OTHER, HELPER])
    assert status == "reused", shell.reasons
    shell.plain(edited(("'lr': 0.1,", "'lr': 0.2,")))
    assert shell.cell(cell) == "executed"
    assert shell.reasons[0] == "config cfg['model']['lr'] changed: 0.1 → 0.2"


@pytest.mark.parametrize(
    "cell",
    [
        "r = 'x' in cfg",
        "r = cfg.get('x', 0)",
        "try:\n    r = cfg['x']\nexcept KeyError:\n    r = 0",
        "r = getattr(cfg, 'x', 0)",
        "try:\n    r = cfg.x\nexcept AttributeError:\n    r = 0",
        "r = hasattr(cfg, 'x')",
    ],
)
def test_absence_is_read_too(shells: Shells, cell: str) -> None:
    shell, status = twice(shells, [MAKE], cell, [OTHER])
    assert status == "reused", shell.reasons
    shell.plain(edited(("'seed': 7", "'seed': 7, 'x': 1")))
    assert shell.cell(cell) == "executed"
    assert shell.reason in ("config cfg['x']", "config presence of cfg['x']")


def test_a_test_for_presence_does_not_read_the_value(shells: Shells) -> None:
    shell, status = twice(shells, [MAKE], "r = 'lr' in cfg", [edited(("'lr': 0.01", "'lr': 0.02"))])
    assert status == "reused", shell.reasons
    shell.plain(edited(("'lr': 0.01, ", "")))
    assert shell.cell("r = 'lr' in cfg") == "executed"


SEES_ALL = {
    "iteration": "r = [k for k in cfg]",
    "len": "r = len(cfg)",
    "bool": "r = bool(cfg)",
    "items": "r = list(cfg.items())",
    "keys": "r = list(cfg.keys())",
    "values": "r = str(list(cfg.values()))",
    "equality": "r = cfg == 3 or cfg == {}",
    "equality of two": "r = cfg == cfg.with_(lr=0.5)",
    "repr": "r = repr(cfg)",
    "str": "r = f'{cfg}'",
    "display": "cfg",
    "print": "print(cfg)",
    "unpacking": "r = dict(**cfg)",
    "dict": "r = dict(cfg)",
    "to_dict": "r = cfg.to_dict()",
    "json": "import json\nr = json.dumps(cfg.to_dict())",
    "pickling": "import pickle\nr = pickle.dumps(cfg)",
    "a new one": "r = cfg.with_(lr=1)",
    "merging": "r = cfg | {'lr': 1}",
    "merging into": "r = {'lr': 1} | cfg",
    "hash": "r = {cfg: 1}",
    "dir": "r = dir(cfg)",
    "a library": "import pandas as pd\nr = pd.Series(dict(cfg)).astype(str)",
    "a key that is no path": "r = cfg.get(True)",
    "a pattern": "match cfg:\n    case {'lr': x}:\n        r = x",
}


@pytest.mark.parametrize("cell", SEES_ALL.values(), ids=SEES_ALL)
def test_what_sees_all_of_it_depends_on_all_of_it(shells: Shells, cell: str) -> None:
    shell, status = twice(shells, [MAKE], cell, [edited(("'depth': 3", "'depth': 4"))])
    assert status == "executed"
    assert shell.reasons[0] == "config cfg changed: ['model']['depth']: 3 → 4"


def test_all_of_a_part_is_not_all(shells: Shells) -> None:
    cell = "r = dict(cfg.model)"
    shell, status = twice(shells, [MAKE], cell, [edited(("'seed': 7", "'seed': 8"))])
    assert status == "reused", shell.reasons
    shell.plain(edited(("'depth': 3", "'depth': 4")))
    assert shell.cell(cell) == "executed"
    assert shell.reasons[0] == "config cfg['model'] changed: ['depth']: 3 → 4"


@pytest.mark.parametrize(
    ("now", "cell"),
    [
        ("cfg = {'lr': 0.01, 'model': {'lr': 0.1}}", "r = type(cfg).__name__"),
        ("cfg = {'lr': 0.01, 'model': {'lr': 0.1}}", "r = cfg['lr']"),
        ("from types import SimpleNamespace as N\ncfg = N(lr=0.01)", "r = cfg.lr"),
        (edited(("{'lr': 0.1, 'depth': 3}", "None")), "r = cfg.model is None"),
        (edited(("{'lr': 0.1, 'depth': 3}", "None")), "m = cfg.model"),
        ("x = 1", "r = cfg.lr if 'cfg' else 0"),
    ],
)
def test_another_kind_of_thing_under_the_same_name_reruns(shells: Shells, now: str, cell: str) -> None:
    first = shells()
    first.plain(MAKE)
    assert first.cell(cell) == "executed"
    second = shells()
    second.plain(now)
    if now == "x = 1":
        with pytest.raises(NameError):
            second.cell(cell)
        assert second.decisions()[-1]["status"] == "failed"
    else:
        assert second.cell(cell) == "executed"


def test_static_paths_lead_to_it(shells: Shells) -> None:
    make = "from incnb import Config\nsettings = {'cfg': Config(lr=1, n=2), 'other': 3}"
    cell = "r = settings['cfg'].lr"
    shell, status = twice(shells, [make], cell, [make.replace("n=2", "n=3").replace("3}", "4}")])
    assert status == "reused", shell.reasons
    shell.plain(make.replace("lr=1", "lr=5"))
    assert shell.cell(cell) == "executed"
    assert shell.reasons[0] == "config settings['cfg']['lr'] changed: 1 → 5"


def test_a_config_of_a_project_module_is_followed_by_key(shells: Shells) -> None:
    Path("conf.py").write_text("from incnb import Config\ncfg = Config(lr=1, n=2)\n")
    Path("lib.py").write_text(
        "from conf import cfg\nimport conf\ndef f():\n    return cfg.lr\ndef g():\n    return conf.cfg.lr\n"
    )
    for cell in ("r = lib.f()", "r = lib.g()", "r = conf.cfg.lr"):
        Path("conf.py").write_text("from incnb import Config\ncfg = Config(lr=1, n=2)\n")
        first = shells()
        first.plain("import conf, lib")
        assert first.cell(cell) == "executed"
        assert first.cell(cell) == "reused", first.reasons
        Path("conf.py").write_text("from incnb import Config\ncfg = Config(lr=1, n=3333)\n")
        second = shells()
        second.plain("import conf, lib")
        assert second.cell(cell) == "reused", second.reasons
        Path("conf.py").write_text("from incnb import Config\ncfg = Config(lr=22222, n=3333)\n")
        third = shells()
        third.plain("import conf, lib")
        assert third.cell(cell) == "executed"
        assert third.reasons[0].endswith("cfg['lr'] changed: 1 → 22222"), third.reasons


def test_a_module_that_is_imported_by_the_cell_reads_from_one_that_is_loaded(shells: Shells) -> None:
    Path("base.py").write_text("from incnb import Config\nx = 1\nother = 2\ncfg = Config(a=1, b=2)\n")
    for source in ("from base import x, cfg\ny = x + cfg.a\n", "import base\ny = base.x + base.cfg.a\n"):
        Path("late.py").write_text(source)
        cell = "import late\nr = late.y"
        for setting, expected in (("", 2), ("base.x = 5", 6), ("base.cfg = base.cfg.with_(a=4)", 5)):
            for status in ("executed", "reused"):
                shell = shells()
                shell.plain(f"import base\n{setting}")
                assert shell.cell(cell) == status, (source, setting, shell.reasons)
                assert shell["r"] == expected
        Path("late.py").write_text(source + "z = 1\n")


def test_a_module_that_is_handed_on_as_a_whole(shells: Shells) -> None:
    Path("whole.py").write_text("from incnb import Config\ncfg = Config(a=1, b=2)\n")
    for setting, status in (("", "executed"), ("", "reused"), ("whole.cfg = whole.cfg.with_(a=4)", "executed")):
        shell = shells()
        shell.plain(f"import whole\ndef f(m):\n    return m.cfg.a\n{setting}")
        assert shell.cell("r = f(whole)") == status, shell.reasons


def test_what_is_inside_something_else_counts_as_a_whole(shells: Shells) -> None:
    holder = "class Model:\n    def __init__(self, cfg):\n        self.cfg = cfg\n    def fit(self):\n        return self.cfg.lr\nm = Model(cfg)"
    cell = "r = m.fit()"
    shell, status = twice(shells, [MAKE, holder], cell, [MAKE, holder])
    assert status == "reused", shell.reasons
    shell.plain(OTHER)
    shell.plain(holder)
    assert shell.cell(cell) == "executed"


@pytest.mark.parametrize(
    "code",
    [
        "class Model:\n    def fit(self):\n        return cfg.lr\nm = Model()",
        "import functools\ndef f(x):\n    return cfg.lr + x\nclass M:\n    fit = staticmethod(functools.partial(f, 1))\nm = M()",
        "class Base:\n    def lr(self):\n        return cfg.lr\nclass Model(Base):\n    def fit(self):\n        return self.lr()\nm = Model()",
    ],
)
def test_methods_that_read_it_are_followed_by_key(shells: Shells, code: str) -> None:
    cell = "r = m.fit()"
    shell, status = twice(shells, [MAKE, code], cell, [OTHER, code])
    assert status == "reused", shell.reasons
    shell.plain(edited(("'lr': 0.01", "'lr': 0.02")))
    shell.plain(code)
    assert shell.cell(cell) == "executed"
    assert shell.reasons[0] == "config cfg['lr'] changed: 0.01 → 0.02"


def test_one_made_in_the_cell_is_no_input(shells: Shells) -> None:
    shell, status = twice(shells, [], "from incnb import Config\nc = Config(a=1)\nr = c.a", [])
    assert status == "reused", shell.reasons
    assert shell["c"].a == 1 and shell["r"] == 1


def test_ignored_settings_are_ignored(shells: Shells) -> None:
    shell, status = twice(shells, [MAKE], "r = cfg.lr", [edited(("'lr': 0.01", "'lr': 0.02"))], "--ignore cfg")
    assert status == "reused", shell.reasons


def test_a_config_that_nothing_leads_to_is_not_passed_over(shells: Shells) -> None:
    """The net below the static closure: a library keeps one where nobody looks."""
    Path("site-packages").mkdir()
    Path("site-packages/hoard.py").write_text("kept = []\ndef get():\n    return kept[0]\n")
    shell = shells()
    shell.plain("import sys, os\nsys.path.insert(0, os.path.abspath('site-packages'))\nimport hoard")
    shell.plain(MAKE + "\nhoard.kept.append(cfg)\ndel cfg")
    assert shell.cell("r = hoard.get().lr") == "executed"
    assert "a Config that nothing the cell reads leads to" in shell.reasons[-1]


def test_a_module_that_binds_another_one_while_the_cell_runs_is_not_recorded(shells: Shells) -> None:
    Path("shelf.py").write_text(
        "from incnb import Config\ncfg = Config(n=1)\ndef bump():\n    global cfg\n    cfg = cfg.with_(n=cfg.n + 1)\n    return cfg.n\n"
    )
    shell = shells()
    shell.plain("import shelf")
    assert shell.cell("r = shelf.bump()") == "executed"
    assert shell.reasons[-1].startswith("not-saved  type of shelf:cfg changed")
    assert shell.cell("r = shelf.bump()") == "executed"
    assert shell["r"] == 3


def test_what_another_process_reads_is_not_heard() -> None:
    import os

    from incnb import Config
    from incnb.dependencies.config import Place, Readings
    from incnb.fingerprint.code import Read

    cfg = Config(a=1, b=2)
    readings = Readings([(Place(None, Read("cfg")), cfg)], lambda ident: True)
    readings.start()
    try:
        pid = os.fork()
        if not pid:
            os._exit(cfg.a)
        os.waitpid(pid, 0)
    finally:
        readings.stop()
    assert [d.locator for d in readings.dependencies] == ["cfg"]


def test_what_a_cache_answers_was_read_when_it_was_filled(shells: Shells) -> None:
    """The cell calls a cached function and reads no key: the cache knows the answer."""
    make = "\nimport functools\n@functools.cache\ndef f(x):\n    return cfg.lr * x"
    first = shells()
    first.plain(MAKE + make)
    assert first.cell("a = f(3)") == "executed"
    assert first.cell("r = f(3) + 1") == "executed"
    second = shells()
    second.plain(MAKE + make)
    assert second.cell("r = f(3) + 1") == "reused", second.reasons
    third = shells()
    third.plain(edited(("'lr': 0.01", "'lr': 5")) + make)
    assert third.cell("a = f(3)") == "executed"
    assert third.cell("r = f(3) + 1") == "executed"
    assert third["r"] == 16


# -- what is left behind


def test_an_alias_comes_back_as_the_live_one(shells: Shells) -> None:
    shell, status = twice(shells, [MAKE], "c = cfg\nm = cfg.model\nboth = [cfg, {'m': cfg.model}]", [OTHER])
    assert status == "reused", shell.reasons
    assert shell["c"] is shell["cfg"] and shell["m"] is shell["cfg"].model
    assert shell["both"][0] is shell["cfg"] and shell["both"][1]["m"] is shell["m"]
    assert shell["c"].seed == 8


def test_one_kept_by_an_object_comes_back_as_the_live_one(shells: Shells) -> None:
    model = "class Model: pass\nmodel = Model()"
    for cell in ("model.cfg = cfg", "m2 = Model()\nm2.cfg = cfg.model\nm2.lr = cfg.lr"):
        shell, status = twice(shells, [MAKE, model], cell, [OTHER, model])
        assert status == "reused", shell.reasons
        holder = shell["m2"] if "m2" in cell else shell["model"]
        assert holder.cfg is (shell["cfg"].model if "m2" in cell else shell["cfg"])


def test_a_later_cell_sees_the_live_keys_of_a_restored_alias(shells: Shells) -> None:
    first = shells()
    first.plain(MAKE)
    assert first.cell("c = cfg") == "executed"
    assert first.cell("r = c.seed") == "executed"
    second = shells()
    second.plain(OTHER)
    assert second.cell("c = cfg") == "reused"
    assert second.cell("r = c.seed") == "executed"
    assert second.reasons[0] == "config c['seed'] changed: 7 → 8"
    third = shells()
    third.plain(edited(("'lr': 0.01", "'lr': 0.02")))
    assert third.cell("c = cfg") == "reused"
    assert third.cell("r = c.seed") == "reused", third.reasons


def test_one_made_in_a_reused_cell_is_followed_by_key(shells: Shells) -> None:
    make = "from incnb import Config\nn = 3\nc = Config(lr=1, n=n, model={'d': n})"
    first = shells()
    assert first.cell(make) == "executed"
    assert first.cell("r = c.lr") == "executed"
    second = shells()
    assert second.cell(make) == "reused"
    assert second.cell("r = c.lr") == "reused", second.reasons
    assert second["c"].model.d == 3
    assert second.cell(make.replace("n = 3", "n = 4")) == "executed"
    assert second.cell("r = c.lr") == "cutoff", second.reasons
    assert second.cell("r = c.n") == "executed"


def test_rebinding_the_name_reads_the_old_one(shells: Shells) -> None:
    cell = "cfg = cfg.with_(lr=cfg.lr * 2)"
    first = shells()
    first.plain(MAKE)
    assert first.cell(cell) == "executed"
    second = shells()
    second.plain(MAKE)
    assert second.cell(cell) == "reused", second.reasons
    assert second["cfg"].lr == 0.02 and second["cfg"].model.depth == 3
    assert second.cell(cell) == "executed"


def test_two_names_for_one_are_told_from_two(shells: Shells) -> None:
    shell, status = twice(shells, [MAKE, "d = cfg"], "r = cfg is d", [MAKE, "d = Config(cfg)"])
    assert status == "executed"
    assert shell["r"] is False


def test_a_function_inside_is_followed(shells: Shells) -> None:
    make = "from incnb import Config\ndef act(x):\n    return x + 1\ncfg = Config(act=act, n=1)"
    cell = "r = cfg.act(1)"
    shell, status = twice(shells, [make], cell, [make.replace("n=1", "n=2")])
    assert status == "reused", shell.reasons
    shell.plain(make.replace("x + 1", "x + 2"))
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 3


def test_a_library_function_inside_is_no_obstacle(shells: Shells) -> None:
    make = "from incnb import Config\nimport math, numpy as np\ncfg = Config(act=math.sqrt, dtype=np.float32, n=1)"
    shell, status = twice(shells, [make], "r = cfg.act(4.0)\nz = np.zeros(2, cfg.dtype)", [make.replace("n=1", "n=2")])
    assert status == "reused", shell.reasons


def test_secrets_are_not_shown(shells: Shells) -> None:
    make = "from incnb import Config\ncfg = Config(api_token='s3cr3t', n=1)"
    shell, status = twice(shells, [make], "r = len(cfg.api_token)", [make.replace("s3cr3t", "0ther")])
    assert status == "executed"
    assert shell.reasons[0] == "config cfg['api_token'] changed"
    shell.plain("token = 's3cr3t'")
    assert shell.cell("r = 1", "--config token") == "executed"
    shell.plain("token = '0ther'")
    assert shell.cell("r = 1", "--config token") == "executed"
    assert shell.reasons[0] == "config --config token changed"
    assert all("s3cr3t" not in path.read_text(errors="replace") for path in shell.folder.rglob("*.json*"))


def test_failing_again_is_not_told_of_other_settings(shells: Shells) -> None:
    shell = shells()
    shell.plain(MAKE)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            shell.cell("r = 1 / (cfg.seed - 7)")
    assert shell.reason.startswith("last-failed")
    shell.plain(OTHER)
    assert shell.cell("r = 1 / (cfg.seed - 7)") == "executed"
    assert not shell.reason.startswith("last-failed")


@pytest.mark.kernel
def test_in_a_kernel_a_pending_value_with_live_settings_in_it_is_loaded_to_compare(notebook: Any) -> None:
    """What a restored model holds of the live settings may differ from what was recorded of it."""
    make = "import numpy as np\nclass Model: pass\ndef seed(m):\n    return m.cfg.seed"
    fill = "%%incremental\nmodel = Model()\nmodel.cfg = cfg\nmodel.x = np.zeros(300_000) + cfg.lr"
    use = "%%incremental\nr = seed(model), float(model.x[0])"
    with notebook.kernel() as nb:
        nb.run(MAKE + "\n" + make)
        assert [nb.status(fill), nb.status(use)] == ["executed", "executed"]
    with notebook.kernel() as nb:
        nb.run(OTHER + "\n" + make)
        assert nb.status(fill) == "reused"
        assert nb.status(use) == "executed"
        assert nb.run("print(r)").stdout.startswith("(8, ")
        assert (
            nb.status("%%incremental --config cfg['seed']\ndef train(c):\n    return c.lr\nprint(train(cfg))")
            == "executed"
        )
    with notebook.kernel() as nb:
        nb.run(OTHER + "\n" + make)
        cell = "%%incremental --config cfg['seed']\ndef train(c):\n    return c.lr\nprint(train(cfg))"
        assert nb.status(cell) == "reused"
        nb.run(edited(("'lr': 0.01", "'lr': 0.02"), ("'seed': 7", "'seed': 8")))
        assert nb.status(cell) == "executed"
        assert nb.reason == "config cfg['lr']"
        nb.run(edited(("'seed': 7", "'seed': 9")))
        assert nb.status(cell) == "executed"
        assert nb.reason == "config --config cfg['seed']"


# -- the option


@pytest.mark.parametrize(
    ("line", "expressions"),
    [
        ("--config cfg.lr", ("cfg.lr",)),
        ("--config cfg['lr'] k", ("cfg['lr']", "k")),
        ('--config cfg["lr"] --quiet', ('cfg["lr"]',)),
        ("--config \"cfg['a b'] + 1\" 'f(1, 2)'", ("cfg['a b'] + 1", "f(1, 2)")),
        ("--config=cfg['lr'] --config k", ("cfg['lr']", "k")),
        ("--config=\"a == 'b'\"", ("a == 'b'",)),
        ("--name 'a b' --config x --ignore y z", ("x",)),
    ],
)
def test_expressions_are_read_as_they_were_meant(line: str, expressions: tuple[str, ...]) -> None:
    from incnb.engine.options import Options, parse

    assert parse(line).config == expressions
    assert parse("", Options(config=("a",))).config == ("a",)
    assert parse("--name 'a b' --ignore y z").ignore == ("y", "z")
    assert parse("--name 'a b' --ignore y z").name == "a b"


def test_the_value_of_an_expression_is_a_dependency(shells: Shells) -> None:
    shell, status = twice(shells, ["k = {'a': 1, 'b': 2}"], "r = 1", ["k = {'a': 1, 'b': 3}"], "--config k['a']")
    assert status == "reused", shell.reasons
    shell.plain("k = {'a': 5}")
    assert shell.cell("r = 1", "--config k['a']") == "executed"
    assert shell.reasons[0] == "config --config k['a'] changed: 1 → 5"


@pytest.mark.parametrize(
    ("was", "now"),
    [("", "--config k"), ("--config k", ""), ("--config k", "--config 'k + 0'"), ("--config k", "--config k 'k * 2'")],
)
def test_adding_removing_or_altering_the_expression_reruns(shells: Shells, was: str, now: str) -> None:
    shell = shells()
    shell.plain("k = 1")
    assert shell.cell("r = 1", was) == "executed"
    assert shell.cell("r = 1", now) == "executed"
    assert shell.reason == "config --config"
    assert shell.cell("r = 1", now) == "reused"
    assert shell.cell("r = 1", was) == "reused"


def test_an_expression_that_raises_lets_the_cell_run_unrecorded(shells: Shells, capsys: Any) -> None:
    shell = shells()
    for _ in range(2):
        assert shell.cell("r = 1", "--config nope.x") == "executed"
        assert "--config nope.x raised NameError" in capsys.readouterr().out
    assert shell["r"] == 1
    assert any("raised NameError" in reason for reason in shell.reasons)
    for bad in ("'1 +'", "'(i for i in [])'"):
        assert shell.cell("r = 1", f"--config {bad}") == "executed"
        assert shell.cell("r = 1", f"--config {bad}") == "executed"
