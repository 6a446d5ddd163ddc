"""Tensors of torch in cells: what they share, what they keep for differentiation, and what they draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

Shells = Callable[[], Any]


def rerun(shells: Shells, *cells: str) -> tuple[Any, list[str]]:
    """Run tracked cells, restart, run them again: the shell and what became of each."""
    first = shells()
    for code in cells:
        assert first.cell(code) in ("executed", "blocked"), first.reasons
    second = shells()
    return second, [second.cell(code) for code in cells]


def test_tensors_are_reused_after_a_restart(shells: Shells) -> None:
    shell, found = rerun(
        shells,
        "import torch\nt = torch.arange(6.0)\nw = torch.nn.Parameter(torch.ones(2))",
        "r = (t * 2).reshape(2, 3)\ns = float(t.sum())",
        "q = r.sum(0)",
    )
    assert found == ["reused"] * 3, shell.reasons
    assert shell["q"].tolist() == [6, 10, 14]


@pytest.mark.parametrize(
    "cells",
    [
        ["import torch\na = torch.zeros(4)\nb = a[1:]"],
        ["import torch\na = torch.zeros(4)", "b = a[1:]"],
        ["import torch\na = torch.zeros(4)", "b = [a.view(2, 2).reshape(-1)[1:]]\nb = b[0]"],
        ["import torch\na = torch.zeros(4)\nd = {'v': a[1:]}", "b = d['v']"],
        ["import torch\na = torch.zeros(4)\nb = a.numpy()[1:]"],
        ["import torch\na = torch.zeros(4)", "b = a.numpy()[1:]"],
        ["import torch, numpy\nb = numpy.zeros(3)\na = torch.from_numpy(b)"],
        ["import torch, numpy\nb = numpy.zeros(3)", "a = torch.from_numpy(b)"],
    ],
)
def test_what_shares_memory_shares_it_after_a_reuse(shells: Shells, cells: list[str]) -> None:
    shell, _ = rerun(shells, *cells)
    shell.plain("b[0] = 7\nn = float(a.sum())")
    assert shell["n"] == 7


def test_a_tensor_changed_in_place_is_changed_for_all(shells: Shells) -> None:
    shell, _ = rerun(shells, "import torch\na = torch.zeros(4)\nb = a[1:]", "b += 1", "n = float(a.sum())")
    assert shell["n"] == 3
    assert shell["a"].tolist() == [0, 1, 1, 1]


def test_training_goes_on_as_it_would_have(shells: Shells) -> None:
    cells = [
        "import torch\ntorch.manual_seed(0)\nm = torch.nn.Linear(2, 1)\no = torch.optim.SGD(m.parameters(), lr=0.1)",
        "x = torch.ones(4, 2)",
        "loss = m(x).sum()\nloss.backward()\nloss = loss.item()",
        "o.step()",
        "w = m.weight.detach().clone()",
    ]
    shell, _ = rerun(shells, *cells)
    plain = shells()
    for cell in cells:
        plain.plain(cell)
    assert plain["w"].tolist() == shell["w"].tolist()
