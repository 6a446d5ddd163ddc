"""Code that may change what it is handed, told by its words."""

from __future__ import annotations

import ast

import pytest

from incnb.analysis.changes import may_change


@pytest.mark.parametrize(
    "code",
    [
        "d['a'] = 1",
        "d.x = 1",
        "del d['a']",
        "d += [1]",
        "d.append(1)",
        "df.drop(columns=['a'], inplace=True)",
        "np.add(a, 1, out=a)",
        "random.shuffle(d)",
        "setattr(d, 'x', 1)",
        "out = []\nout.append(d)\nout[0]['x'] = 1",
        "for row in rows:\n    row['x'] = 1",
        "def f(rows):\n    rows.sort()",
        "def f(rows):\n    out = []\n    out = rows\n    out.append(1)",
        "model.fit(x, y)",
        "def f(self, x):\n    self.x = x",
        "a, b = d, e\na[0] = 1",
    ],
)
def test_words_that_change_something(code: str) -> None:
    assert may_change(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "n = len(d)",
        "out = []\nfor row in rows:\n    out.append(row['x'] + 1)",
        "def f(rows):\n    n = 0\n    for row in rows:\n        n += row\n    return n",
        "df2 = df.drop(columns=['a'], inplace=False)",
        "d = {}\nd['a'] = 1",
        "class C:\n    def __init__(self, x):\n        self.x = x",
        "df2 = df.assign(a=1).sort_values('a')",
    ],
)
def test_words_that_do_not(code: str) -> None:
    assert not may_change(ast.parse(code))
