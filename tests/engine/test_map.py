"""`incnb.map`: every item runs once, is kept under what it relied on, and is found again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import calls_probe
import pytest
from calls_probe import ran
from notebooks import Shell

import incnb

Shells = Callable[[], Shell]
HELPERS = """
import sys, incnb
def scale(x): return x * 10
def odd(x): return scale(x) + 1
def clean(x):
    sys.audit("calls.probe", f"clean {x}")
    return odd(x) if x % 2 else scale(x)
"""
MAP = "r = incnb.map(clean, items)"


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    calls_probe.watch()
    ran()
    yield


@pytest.fixture
def nb(shells: Shells) -> Shell:
    nb = shells()
    nb.plain(HELPERS)
    nb.plain("items = [1, 2, 3]")
    return nb


def items(nb: Shell) -> tuple[int, int]:
    told = nb.decisions()[-1]["items"]
    return told["executed"], told["reused"]


def why(nb: Shell) -> list[str]:
    found = [f"{r['code']} {r['locator']}" for r in nb.decisions()[-1]["items"]["why"]]
    return list(dict.fromkeys(found))


def test_results_are_in_the_order_of_the_items_and_only_new_ones_run(nb: Shell) -> None:
    assert nb.cell(MAP) == "executed"
    assert nb["r"] == [11, 20, 31] and ran() == ["clean 1", "clean 2", "clean 3"]
    nb.plain("items = [3, 4, 1]")
    nb.cell(MAP)
    assert nb["r"] == [31, 40, 11] and ran() == ["clean 4"] and items(nb) == (1, 2)


def test_a_cell_in_which_nothing_changed_is_reused_as_a_whole(nb: Shell) -> None:
    nb.cell(MAP)
    ran()
    assert nb.cell(MAP) == "reused" and not ran()


def test_another_session_finds_the_items(nb: Shell, shells: Shells) -> None:
    nb.cell(MAP)
    ran()
    nb = shells()
    nb.plain(HELPERS)
    nb.plain("items = [2, 1]")
    nb.cell(MAP)
    assert nb["r"] == [20, 11] and not ran() and items(nb) == (0, 2)


def test_an_edited_helper_of_a_helper_runs_the_items_again_and_is_named(nb: Shell) -> None:
    nb.cell(MAP)
    ran()
    nb.plain("def scale(x): return x * 100")
    nb.cell(MAP)
    assert nb["r"] == [101, 200, 301] and len(ran()) == 3 and why(nb) == ["code scale"]
    nb.plain("def scale(x): return x * 10")
    nb.cell("r = incnb.map(clean, items); 1")
    assert nb["r"] == [11, 20, 31] and not ran()


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="what really ran is seen from Python 3.12 on")
def test_a_helper_that_only_some_items_called_concerns_only_these(nb: Shell) -> None:
    nb.cell(MAP)
    ran()
    nb.plain("def odd(x): return scale(x) + 2")
    nb.cell(MAP)
    assert nb["r"] == [12, 20, 32] and ran() == ["clean 1", "clean 3"] and why(nb) == ["code odd"]


def test_a_global_that_is_read_counts(nb: Shell) -> None:
    nb.plain("k = 1\ndef f(x):\n    sys.audit('calls.probe', 'f')\n    return x + k")
    nb.cell("r = incnb.map(f, items)")
    nb.plain("k = 2")
    nb.cell("r = incnb.map(f, items)")
    assert nb["r"] == [3, 4, 5] and len(ran()) == 6 and why(nb) == ["value k"]


def test_equal_items_run_once(nb: Shell) -> None:
    nb.plain("def f(x):\n    sys.audit('calls.probe', 'f')\n    return [x]")
    nb.cell("r = incnb.map(f, [7, 8, 7, 7])")
    assert nb["r"] == [[7], [8], [7], [7]] and len(ran()) == 2
    assert nb["r"][0] is not nb["r"][2] and nb["r"][2] is not nb["r"][3]


def test_equal_items_run_each_where_they_draw_random_numbers(nb: Shell) -> None:
    nb.plain("import random\nrandom.seed(1)\ndef f(x):\n    return random.random()")
    nb.cell("r = incnb.map(f, [7, 7, 7])")
    assert len(set(nb["r"])) == 3
    assert any("random" in reason for reason in nb.reasons)
    nb.plain("random.seed(1)")
    before = list(nb["r"])
    nb.cell("r = incnb.map(f, [7, 7, 7]); 2")
    assert nb["r"] == before and items(nb)[1] == 0


def test_a_change_of_config_is_a_reason_of_its_own_with_the_path(nb: Shell) -> None:
    nb.plain("def f(x, config):\n    sys.audit('calls.probe', 'f')\n    return x * config['model']['lr']")
    nb.plain("cfg = {'model': {'lr': 2}}")
    nb.cell("r = incnb.map(f, items, config=cfg)")
    assert nb["r"] == [2, 4, 6] and len(ran()) == 3
    nb.plain("cfg = {'model': {'lr': 3}}")
    nb.cell("r = incnb.map(f, items, config=cfg)")
    assert nb["r"] == [3, 6, 9] and len(ran()) == 3 and why(nb) == ["config config"]
    told = nb.decisions()[-1]["items"]["why"][0]["detail"]
    assert "['model']['lr']" in told and "3" in told
    nb.plain("cfg = {'model': {'lr': 2}}")
    nb.cell("r = incnb.map(f, items, config=cfg); 1")
    assert nb["r"] == [2, 4, 6] and not ran()


def test_config_is_compared_also_where_the_function_does_not_take_it(nb: Shell) -> None:
    nb.plain("def f(x):\n    sys.audit('calls.probe', 'f')\n    return x")
    nb.cell("r = incnb.map(f, items, config={'v': 1})")
    nb.cell("r = incnb.map(f, items, config={'v': 2})")
    assert len(ran()) == 6 and why(nb) == ["config config"]


def test_a_file_that_an_item_read_concerns_that_item(nb: Shell) -> None:
    for name in "ab":
        Path(f"{name}.txt").write_text(name)
    nb.plain("def f(x):\n    sys.audit('calls.probe', x)\n    return open(x).read()")
    nb.cell("r = incnb.map(f, ['a.txt', 'b.txt'])")
    ran()
    Path("b.txt").write_text("new")
    nb.cell("r = incnb.map(f, ['a.txt', 'b.txt'])")
    assert nb["r"] == ["a", "new"] and ran() == ["b.txt"] and why(nb) == ["file b.txt"]


def test_a_cell_relies_on_the_files_of_items_that_it_reused(nb: Shell, shells: Shells) -> None:
    Path("a.txt").write_text("a")
    define = "import sys, incnb\ndef f(x):\n    return open(x).read()"
    nb.plain(define)
    nb.cell("r = incnb.map(f, ['a.txt'])")
    nb.cell("r = incnb.map(f, ['a.txt']); 1")
    assert items(nb) == (0, 1)
    Path("a.txt").write_text("other")
    assert nb.cell("r = incnb.map(f, ['a.txt']); 1") == "executed" and nb["r"] == ["other"]


def test_holes_stand_for_items_that_fail_and_these_run_again(nb: Shell) -> None:
    nb.plain("def f(x):\n    sys.audit('calls.probe', str(x))\n    return 1 // (x - 2)")
    nb.cell("r = incnb.map(f, items, on_error='hole')")
    hole = nb["r"][1]
    assert isinstance(hole, incnb.Failed) and isinstance(hole.error, ZeroDivisionError) and hole.position == 1
    assert not hole and "ZeroDivisionError" in hole.traceback and "1: 2" in repr(hole)
    assert nb["r"][0] == -1 and nb["r"][2] == 1 and ran() == ["1", "2", "3"]
    nb.cell("r = incnb.map(f, items, on_error='hole'); 1")
    assert ran() == ["2"]


def test_a_cell_with_a_hole_is_not_reused(nb: Shell) -> None:
    nb.plain("def f(x):\n    sys.audit('calls.probe', str(x))\n    return 1 // (x - 2)")
    for _ in range(2):
        assert nb.cell("r = incnb.map(f, items, on_error='hole')") == "executed"
    assert ran() == ["1", "2", "3", "2"]


def test_an_error_is_raised_as_it_is_and_what_has_finished_is_kept(nb: Shell) -> None:
    nb.plain("def f(x):\n    sys.audit('calls.probe', str(x))\n    return 1 // (x - 2)")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            nb.cell("r = incnb.map(f, [0, 1, 2, 3])")
    assert ran() == ["0", "1", "2", "2"]


def test_lambdas_partials_methods_and_instances_are_followed(nb: Shell) -> None:
    nb.plain("""
from functools import partial
def helper(x): return x + 1
class Model:
    k = 1
    def __init__(self, n): self.n = n
    def go(self, x):
        sys.audit('calls.probe', 'go')
        return helper(x) * self.n * self.k
    __call__ = go
def two(a, x):
    sys.audit('calls.probe', 'two')
    return helper(x) * a
""")
    kinds = ["lambda x: two(2, x)", "partial(two, 2)", "Model(2).go", "Model(2)"]
    for number, kind in enumerate(kinds):
        nb.plain("def helper(x): return x + 1")
        cell = f"r = incnb.map({kind}, items)"
        nb.cell(cell)
        assert nb["r"] == [4, 6, 8] and len(ran()) == 3, kind
        nb.cell(cell + f"; {number}")
        assert not ran() and items(nb) == (0, 3), kind
        nb.plain("def helper(x): return x + 2")
        nb.cell(cell)
        assert nb["r"] == [6, 8, 10] and len(ran()) == 3, kind
        assert why(nb) == ["code helper"], kind
    assert nb.cell("r = incnb.map(Model(3), items)") and nb["r"] == [9, 12, 15]


def test_the_values_of_closure_variables_count(nb: Shell) -> None:
    nb.plain("def make(n):\n    def f(x):\n        sys.audit('calls.probe', 'f')\n        return x * n\n    return f")
    for n in (2, 3, 2):
        nb.cell(f"g = make({n})\nr = incnb.map(g, items); {n}")
        assert nb["r"] == [n, 2 * n, 3 * n]
    assert len(ran()) == 6


def test_functions_of_libraries_are_kept_by_their_version(nb: Shell) -> None:
    nb.plain("import numpy as np, math")
    for function in ("np.sqrt", "math.sqrt"):
        nb.cell(f"r = incnb.map({function}, [1.0, 4.0])")
        assert nb["r"] == [1.0, 2.0]
        nb.cell(f"r = incnb.map({function}, [1.0, 4.0]); 1")
        assert items(nb) == (0, 2)


def test_what_an_item_printed_is_shown_again(nb: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    nb.plain("def f(x):\n    print('seen', x)\n    return x")
    nb.plain("r = incnb.map(f, [1, 2])")
    assert capsys.readouterr().out == "seen 1\nseen 2\n"
    nb.plain("r = incnb.map(f, [2, 1])")
    assert capsys.readouterr().out == "seen 2\nseen 1\n"


def test_items_with_effects_run_again_and_the_reason_is_told(nb: Shell) -> None:
    nb.plain("""
import subprocess
def f(x):
    sys.audit('calls.probe', str(x))
    if x == 2: subprocess.run(['true'])
    return x
""")
    assert nb.cell("r = incnb.map(f, items)") == "blocked"
    assert any("process" in reason for reason in nb.reasons)
    ran()
    nb.cell("r = incnb.map(f, items); 1")
    assert ran() == ["2"]


def test_an_item_that_the_function_changes_is_not_kept(nb: Shell) -> None:
    nb.plain("def f(x):\n    x.append(1)\n    return len(x)")
    nb.plain("xs = [[1], [2]]")
    nb.plain("r = incnb.map(f, xs)")
    nb.plain("ys = [[1], [2]]\nr = incnb.map(f, ys)")
    assert nb["ys"] == [[1, 1], [2, 1]]


def test_a_function_that_changes_what_it_reads_is_not_kept(nb: Shell) -> None:
    nb.plain("seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)")
    nb.plain("r = incnb.map(f, items)")
    assert nb["r"] == [1, 2, 3]
    nb.plain("seen.clear()\nr = incnb.map(f, [2, 1, 3])")
    assert nb["r"] == [1, 2, 3]


def test_results_that_are_changed_do_not_change_what_is_kept(nb: Shell) -> None:
    nb.plain("def f(x):\n    return {'v': [x]}")
    nb.plain("r = incnb.map(f, [1])\nr[0]['v'].append(9)\nr = incnb.map(f, [1])")
    assert nb["r"] == [{"v": [1]}]
    nb.plain("r[0]['v'].append(9)\nr = incnb.map(f, [1])")
    assert nb["r"] == [{"v": [1]}]


def test_a_cell_that_is_not_tracked_keeps_items_as_well(nb: Shell) -> None:
    nb.plain(MAP)
    assert len(ran()) == 3
    nb.plain(MAP)
    assert not ran()
    nb.cell(MAP)
    assert not ran() and items(nb) == (0, 3)


def test_force_runs_everything(nb: Shell) -> None:
    nb.cell(MAP)
    ran()
    nb.cell(MAP, "--force")
    assert len(ran()) == 3


def test_bad_arguments_are_told_in_one_line() -> None:
    with pytest.raises(TypeError, match="something that can be called, not a int"):
        incnb.map(3, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="items to go through, not a int"):
        incnb.map(str, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"raise" or "hole", not \'skip\''):
        incnb.map(str, [], on_error="skip")  # type: ignore[arg-type]
