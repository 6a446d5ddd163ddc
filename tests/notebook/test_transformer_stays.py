"""A fault while a cell is looked at: the cell runs, and the transformer stays on the shell.

IPython takes an AST transformer that raises off the shell for good: from then on nothing would be tracked, in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]
#: Objects that raise at the most ordinary looks; a cell that only mentions them runs none of this.
ODD = {
    "__class__": "class Odd:\n    @property\n    def __class__(self): raise RuntimeError('no class')\nodd = Odd()",
    "__getattr__": "class Odd:\n    def __getattr__(self, name): raise RuntimeError(name)\nodd = Odd()",
    "__getattribute__": "class Odd:\n    def __getattribute__(self, name): raise RuntimeError(name)\nodd = Odd()",
    "__eq__ and __hash__": "class Odd:\n    def __eq__(self, other): raise RuntimeError\n    def __hash__(self): raise RuntimeError\nodd = Odd()",
    "__bool__ and __len__": "class Odd:\n    def __bool__(self): raise RuntimeError\n    def __len__(self): raise RuntimeError\nodd = Odd()",
    "__instancecheck__": "class Meta(type):\n    def __instancecheck__(cls, x): raise RuntimeError\n    def __subclasscheck__(cls, x): raise RuntimeError\nclass Odd(metaclass=Meta): pass\nodd = Odd()",
}


def stays(shell: Shell) -> None:
    """incnb still tracks cells of this shell."""
    assert shell.cell("still = 1") == "executed" and shell.cell("still = 1") == "reused"


@pytest.mark.parametrize("define", ODD.values(), ids=ODD)
@pytest.mark.parametrize("cell", ["kept = odd, 1", "id(odd); seeded = 1"])
def test_an_object_that_raises_when_it_is_looked_at(
    shells: Shells, define: str, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = shells()
    shell.plain(define)
    shell.plain(f"{cell}; x = 1")
    assert shell["x"] == 1
    shell.cell(f"{cell}; x = 2")
    assert shell["x"] == 2
    stays(shell)
    assert "fault" not in capsys.readouterr().out


def raising(*_: Any, **__: Any) -> Any:
    raise RuntimeError("of ours")


@pytest.mark.parametrize("where", ["Tracker._module", "Tracker._options", "Tracker._is_subshell"])
def test_a_fault_of_ours_in_the_transformer(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    shell = shells()
    monkeypatch.delenv("INCNB_DEBUG")
    with monkeypatch.context() as patch:
        patch.setattr(f"incnb.notebook.transformers.{where}", raising)
        shell.ip.run_cell("%%incremental\nx = 1").raise_error()
        assert shell["x"] == 1
    said = capsys.readouterr().out
    assert said.count("a fault of its own, the cell runs as usual: RuntimeError") == 1, said
    stays(shell)


@pytest.mark.parametrize("where", ["meaning.inlined", "generators.Seeded.before", "session.title_of"])
def test_a_fault_of_ours_before_a_tracked_cell_is_decided(
    shells: Shells, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shell = shells()
    monkeypatch.delenv("INCNB_DEBUG")
    with monkeypatch.context() as patch:
        patch.setattr(f"incnb.engine.{where}", raising)
        shell.ip.run_cell("%%incremental\nx = 1").raise_error()
        assert shell["x"] == 1
    told = [one["reasons"][0]["detail"] for one in shell.decisions()]
    assert len(told) == (where != "session.title_of") and all("RuntimeError" in detail for detail in told)
    shell.plain("y = x + 1")
    assert shell["y"] == 2
    stays(shell)
