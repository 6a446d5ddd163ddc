"""Names that libraries read through strings: what they name is followed, and what they look up is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Shells = Callable[[], Any]

FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3], 'y': [1.0, 2.5, 2.0]})"
ASK = "def ask(df):\n    return df.query('a > @t')"
LOCAL = "def ask(df):\n    t = 1\n    return df.query('a > @t')"
SMF = "import statsmodels.formula.api as smf"
FIT = "r = smf.ols('y ~ f(a) + w', df).fit().params.to_dict()"


def twice(shells: Shells, before: list[str], cell: str, after: list[str] | None = None) -> tuple[Any, str]:
    """Run cells and a tracked one; restart; run (other) cells and the tracked one again: the shell and its status."""
    first = shells()
    for code in before:
        first.plain(code)
    first.cell(cell)
    second = shells()
    for code in before if after is None else after:
        second.plain(code)
    return second, second.cell(cell)


REUSED: dict[str, tuple[list[str], str]] = {
    "a constant query": ([FRAME, "t = 1"], "r = df.query('a > @t')"),
    "a query of columns": ([FRAME], "r = df.query('a > 1 and y < 9')"),
    "a column called like a builtin of IPython's": (["import pandas as pd\ndf = pd.DataFrame({'open': [1, 2]})"], "r = df.query('open > 1')"),
    "eval": ([FRAME, "k = 2"], "r = df.eval('c = a * @k')"),
    "eval in place": ([FRAME, "k = 2"], "df.eval('c = a * @k', inplace=True)\nr = df.c.sum()"),
    "pd.eval": ([FRAME, "x = 1\ny = 2"], "r = pd.eval('x + y')"),
    "an imported eval": (["from pandas import eval as ev", "x = 1\ny = 2"], "r = ev('x + y')"),
    "a comprehension": ([FRAME, "t = 1"], "r = [len(df.query('a > @t')) for _ in range(2)]"),
    "a function that is applied": ([FRAME, "t = 1"], "r = len(df.groupby('a')[['a']].apply(lambda g: g.query('a > @t')))"),
    "a function in a query": ([FRAME, "def f(n):\n    return n - 1"], "r = df.query('a > @f(2)')"),
    "a function and a global in the cell": ([FRAME], "t = 1\ndef f(n):\n    return n\nr = df.query('a > @f(@t)')"),
    "a helper": ([FRAME, "t = 1", ASK], "r = ask(df)"),
    "a helper with a local": ([FRAME, LOCAL], "r = ask(df)"),
    "a method": ([FRAME, "class Q:\n    def ask(self, df):\n        t = 1\n        return df.query('a > @t')\nq = Q()"], "r = q.ask(df)"),
    "a lambda": ([FRAME, "t = 1\nask = lambda df: df.query('a > @t')"], "r = ask(df)"),
    "an f-string": ([FRAME, "t = 1\nop = '>'"], "r = df.query(f'a {op} @t')"),
    "a query in a variable": ([FRAME, "t = 1\nq = 'a > @t'"], "r = df.query(q)"),
    "a query in a dict": ([FRAME, "t = 1\ncfg = {'q': 'a > @t'}"], "r = df.query(cfg['q'])"),
    "a query in a config": ([FRAME, "import incnb\nt = 1\ncfg = incnb.Config(q='a > @t')"], "r = df.query(cfg.q)"),
    "a query of columns that is put together": ([FRAME], "r = df.query(' '.join(['a', '>', '1']))"),
    "numexpr": (["import numexpr as ne, numpy as np\na = np.arange(3)\nb = a + 1"], "r = ne.evaluate('a*b')"),
    "numexpr in a helper": (["import numexpr as ne, numpy as np\na = np.arange(3)\ndef f(b):\n    return ne.evaluate('a*b')"], "r = f(np.ones(3))"),
    "bmat": (["import numpy as np\nA = np.eye(2)"], "r = np.bmat('A A').tolist()"),
    "a formula": ([FRAME, SMF, "def f(x):\n    return x * x\nw = [1, 0, 1]"], FIT),
    "a formula with patsy": ([FRAME, "import patsy\ndef f(x):\n    return x * x\nw = [1, 0, 1]"], "r = [list(m[0]) for m in patsy.dmatrices('y ~ f(a) + w', df)]"),
    "a formula with formulaic": ([FRAME, "import formulaic\ndef f(x):\n    return x * x\nw = pd.Series([1, 0, 1])"], "r = pd.DataFrame(formulaic.model_matrix('f(a) + w', df)).to_dict()"),
    "polars.sql": (["import polars as pl\nt = pl.DataFrame({'a': [1, 2]})"], "r = pl.sql('select sum(a) as s from t').collect()"),
    "duckdb over a frame": ([FRAME, "import duckdb"], "r = duckdb.sql('select sum(a) as s from df').df()"),
    "duckdb over a frame in a helper": ([FRAME, "import duckdb\ndef f(d):\n    loc = d\n    return duckdb.sql('select sum(a) as s from loc').df()"], "r = f(df)"),
    "duckdb imported by the cell": ([FRAME], "import duckdb\nr = duckdb.sql('select sum(a) as s from df').fetchall()"),
}  # fmt: skip


@pytest.mark.parametrize("what", REUSED)
def test_a_cell_that_names_variables_in_strings_is_reused(shells: Shells, what: str) -> None:
    before, cell = REUSED[what]
    shell, status = twice(shells, before, cell)
    assert status == "reused", shell.reasons


def test_a_global_that_no_string_names_costs_nothing(shells: Shells) -> None:
    shell, status = twice(
        shells, [FRAME, "t = 1\nother = 1"], "r = df.query('a > @t')", [FRAME, "t = 1\nother = 2\nmore = 3"]
    )
    assert status == "reused", shell.reasons


def test_a_local_is_renamed_where_no_string_could_name_it(shells: Shells) -> None:
    def helper(name: str) -> str:
        return f"def f(df):\n    {name} = 1\n    return len(df) + {name}"

    shell, status = twice(shells, [FRAME, helper("t")], "r = f(df)", [FRAME, helper("u")])
    assert status == "reused", shell.reasons


CHANGES: dict[str, tuple[list[str], str, list[str]]] = {
    "the variable of a query": ([FRAME, "t = 1"], "r = df.query('a > @t')", [FRAME, "t = 2"]),
    "the variable of eval": ([FRAME, "k = 2"], "r = df.eval('c = a * @k')", [FRAME, "k = 3"]),
    "a variable of pd.eval": ([FRAME, "x = 1\ny = 2"], "r = pd.eval('x + y')", [FRAME, "x = 1\ny = 3"]),
    "the variable of a query in a comprehension": ([FRAME, "t = 1"], "r = [len(df.query('a > @' + c)) for c in 't']", [FRAME, "t = 2"]),
    "the variable of a comprehension": ([FRAME, "t = 1"], "r = [len(df.query('a > @t')) for _ in range(2)]", [FRAME, "t = 2"]),
    "a variable in a class body": ([FRAME, "t = 1"], "class C:\n    n = len(df.query('a > @' + chr(116)))\nr = C.n", [FRAME, "t = 2"]),
    "the variable of a function that is applied": ([FRAME, "t = 1"], "r = len(df.groupby('a')[['a']].apply(lambda g: g.query('a > @t')))", [FRAME, "t = 2"]),
    "the function of a query": ([FRAME, "def f(n):\n    return n - 1"], "r = df.query('a > @f(2)')", [FRAME, "def f(n):\n    return n"]),
    "what the function of a query reads": ([FRAME, "k = 1\ndef f(n):\n    return n - k"], "r = df.query('a > @f(2)')", [FRAME, "k = 0\ndef f(n):\n    return n - k"]),
    "what a function of the cell reads": ([FRAME, "k = 1"], "def f(n):\n    return n - k\nr = df.query('a > @f(2)')", [FRAME, "k = 0"]),
    "what a function of the cell reads, named at run time": ([FRAME, "k = 1"], "def f(n):\n    return n - k\nr = df.query('a > @' + chr(102) + '(2)')", [FRAME, "k = 0"]),
    "the query of a function of a query": ([FRAME, "t = 1", "def f():\n    return len(df.query('a > @t'))"], "r = df.query('a >= @f()')", [FRAME, "t = 2", "def f():\n    return len(df.query('a > @t'))"]),
    "the variable of a helper": ([FRAME, "t = 1", ASK], "r = ask(df)", [FRAME, "t = 2", ASK]),
    "a local that is renamed": ([FRAME, "t = 1", LOCAL], "r = ask(df)", [FRAME, "t = 2", LOCAL.replace("t = 1", "u = 1")]),
    "a local of a lambda": ([FRAME, "t = 9\nask = lambda df, t=1: df.query('a > @t')"], "r = ask(df)", [FRAME, "t = 9\nask = lambda df, u=1: df.query('a > @t')"]),
    "a local of a method": ([FRAME, "t = 2\nclass Q:\n    def ask(self, df):\n        t = 1\n        return df.query('a > @t')"], "r = Q().ask(df)", [FRAME, "t = 2\nclass Q:\n    def ask(self, df):\n        u = 1\n        return df.query('a > @t')"]),
    "a local of a nested function": ([FRAME, "t = 2\ndef out(df):\n    def ask():\n        t = 1\n        return df.query('a > @t')\n    return ask()"], "r = out(df)", [FRAME, "t = 2\ndef out(df):\n    def ask():\n        u = 1\n        return df.query('a > @t')\n    return ask()"]),
    "a local where the method has another name": ([FRAME, "t = 2\nask_of = pd.DataFrame.query\ndef ask(df):\n    t = 1\n    return ask_of(df, 'a > @t')"], "r = ask(df)", [FRAME, "t = 2\nask_of = pd.DataFrame.query\ndef ask(df):\n    u = 1\n    return ask_of(df, 'a > @t')"]),
    "the variable of an f-string": ([FRAME, "t = 1\nop = '>'"], "r = df.query(f'a {op} @t')", [FRAME, "t = 2\nop = '>'"]),
    "the variable of a query in a variable": ([FRAME, "t = 1\nq = 'a > @t'"], "r = df.query(q)", [FRAME, "t = 2\nq = 'a > @t'"]),
    "the query in a variable": ([FRAME, "t = 1\nq = 'a > @t'"], "r = df.query(q)", [FRAME, "t = 1\nq = 'a < @t'"]),
    "the variable of a query in a config": ([FRAME, "import incnb\nt = 1\ncfg = incnb.Config(q='a > @t')"], "r = df.query(cfg.q)", [FRAME, "import incnb\nt = 2\ncfg = incnb.Config(q='a > @t')"]),
    "the variable of a query that is put together": ([FRAME, "t = 1"], "r = df.query('a > @' + chr(116))", [FRAME, "t = 2"]),
    "a variable behind a dictionary of queries": ([FRAME, "t = 1\nqs = [['a > @t']]"], "r = df.query(qs[0][0])", [FRAME, "t = 2\nqs = [['a > @t']]"]),
    "the attribute of a variable": ([FRAME, "class N: pass\nn = N()\nn.t = 1"], "r = df.query('a > @n.t')", [FRAME, "class N: pass\nn = N()\nn.t = 2"]),
    "a name that pandas knew": ([FRAME], "r = df.query('a > inf')", [FRAME, "inf = 1"]),
    "a column that is gone": ([FRAME, "y = 2"], "r = len(df.query('a > y'))", ["import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})", "y = 2"]),
    "an array of numexpr": (["import numexpr as ne, numpy as np\na = np.arange(3)\nb = a + 1"], "r = ne.evaluate('a*b')", ["import numexpr as ne, numpy as np\na = np.arange(3)\nb = a + 2"]),
    "an array of numexpr under another name": (["from numexpr import evaluate as e\nimport numpy as np\na = np.arange(3)\nb = a + 1"], "r = e('a*b')", ["from numexpr import evaluate as e\nimport numpy as np\na = np.arange(3)\nb = a + 2"]),
    "the last expression of numexpr": (["import numexpr as ne, numpy as np\na = np.arange(3)", "_x = ne.evaluate('a + 1')"], "r = ne.re_evaluate()", ["import numexpr as ne, numpy as np\na = np.arange(3)", "_x = ne.evaluate('a + 2')"]),
    "a matrix of bmat": (["import numpy as np\nA = np.eye(2)"], "r = np.asarray(np.bmat('A A'))", ["import numpy as np\nA = np.eye(2) * 2"]),
    "a matrix of bmat that is named at run time": (["import numpy as np\nA = np.eye(2)"], "r = np.asarray(np.bmat(chr(65)))", ["import numpy as np\nA = np.eye(2) * 2"]),
    "the function of a formula": ([FRAME, SMF, "def f(x):\n    return x * x\nw = [1, 0, 1]"], FIT, [FRAME, SMF, "def f(x):\n    return x + 1\nw = [1, 0, 1]"]),
    "the global of a formula": ([FRAME, SMF, "def f(x):\n    return x * x\nw = [1, 0, 1]"], FIT, [FRAME, SMF, "def f(x):\n    return x * x\nw = [1, 1, 0]"]),
    "a formula in a variable": ([FRAME, SMF, "def f(x):\n    return x * x\nq = 'y ~ f(a)'"], "r = smf.ols(q, df).fit().params.to_dict()", [FRAME, SMF, "def f(x):\n    return x ** 3\nq = 'y ~ f(a)'"]),
    "a formula that is put together": ([FRAME, SMF, "def f(x):\n    return x * x"], "r = smf.ols('y ~ ' + chr(102) + '(a)', df).fit().params.to_dict()", [FRAME, SMF, "def f(x):\n    return x ** 3"]),
    "the function of patsy": ([FRAME, "import patsy\ndef f(x):\n    return x * x"], "r = [list(m[0]) for m in patsy.dmatrices('y ~ f(a)', df)]", [FRAME, "import patsy\ndef f(x):\n    return x * x + 5"]),
    "a parsed formula of patsy": ([FRAME, "import patsy\ndef f(x):\n    return x * x\nd = patsy.ModelDesc.from_formula('f(a)')"], "r = list(patsy.dmatrix(d, df)[1])", [FRAME, "import patsy\ndef f(x):\n    return x * x + 5\nd = patsy.ModelDesc.from_formula('f(a)')"]),
    "the function of formulaic": ([FRAME, "import formulaic\ndef f(x):\n    return x * x"], "r = pd.DataFrame(formulaic.model_matrix('f(a)', df)).to_dict()", [FRAME, "import formulaic\ndef f(x):\n    return x * x + 5"]),
    "a parsed formula of formulaic": ([FRAME, "import formulaic\ndef f(x):\n    return x * x\nd = formulaic.Formula('f(a)')"], "r = pd.DataFrame(formulaic.model_matrix(d, df)).to_dict()", [FRAME, "import formulaic\ndef f(x):\n    return x * x + 5\nd = formulaic.Formula('f(a)')"]),
    "a builtin of a formula": ([FRAME, SMF], "r = smf.ols('y ~ abs(a)', df).fit().params.to_dict()", [FRAME, SMF, "def abs(x):\n    return x * x"]),
    "a frame of polars.sql": (["import polars as pl\nt = pl.DataFrame({'a': [1, 2]})"], "r = pl.sql('select sum(a) as s from t').collect()", ["import polars as pl\nt = pl.DataFrame({'a': [1, 5]})"]),
    "a frame of an SQLContext": (["import polars as pl\nt = pl.DataFrame({'a': [1, 2]})"], "c = pl.SQLContext(register_globals=True)\nr = c.execute('select sum(a) as s from ' + chr(116)).collect()\ndel c", ["import polars as pl\nt = pl.DataFrame({'a': [1, 5]})"]),
    "a frame of duckdb": ([FRAME, "import duckdb"], "r = duckdb.sql('select sum(a) as s from df').fetchall()", [FRAME.replace("[1, 2, 3]", "[1, 2, 4]"), "import duckdb"]),
    "a frame of duckdb that is named at run time": ([FRAME, "import duckdb"], "r = duckdb.sql('select sum(a) as s from ' + chr(100) + 'f').fetchall()", [FRAME.replace("[1, 2, 3]", "[1, 2, 4]"), "import duckdb"]),
    "a frame of duckdb in a helper": ([FRAME, "import duckdb as db\ndef f():\n    return db.sql('select sum(a) as s from df').fetchall()"], "r = f()", [FRAME.replace("[1, 2, 3]", "[1, 2, 4]"), "import duckdb as db\ndef f():\n    return db.sql('select sum(a) as s from df').fetchall()"]),
    "an array of duckdb": (["import duckdb, numpy as np\nv = np.arange(3)"], "r = duckdb.sql('select * from v').fetchall()", ["import duckdb, numpy as np\nv = np.arange(4)"]),
    "a dict of arrays of duckdb": (["import duckdb, numpy as np\nv = {'a': np.arange(3)}"], "r = duckdb.sql('select * from v').fetchall()", ["import duckdb, numpy as np\nv = {'a': np.arange(4)}"]),
    "a local of duckdb that is renamed": ([FRAME, "import duckdb\nloc = df\ndef f(d):\n    loc = d.head(1)\n    return duckdb.sql('select sum(a) as s from loc').fetchall()"], "r = f(df)", [FRAME, "import duckdb\nloc = df\ndef f(d):\n    lox = d.head(1)\n    return duckdb.sql('select sum(a) as s from loc').fetchall()"]),
    "a frame of duckdb that was not there": ([FRAME, "import duckdb\ndef f(d):\n    try:\n        return duckdb.sql('from more').fetchall()\n    except Exception:\n        return 0"], "r = f(df)", [FRAME, "import duckdb\ndef f(d):\n    try:\n        return duckdb.sql('from more').fetchall()\n    except Exception:\n        return 0\nmore = df"]),
    "a frame of a function that a query does not name": ([FRAME, "import duckdb\ndef q():\n    return duckdb.sql"], "r = q()('select sum(a) as s from ' + 'd' + 'f').fetchall()", [FRAME.replace("[1, 2, 3]", "[1, 2, 4]"), "import duckdb\ndef q():\n    return duckdb.sql"]),
    "a table of duckdb": (["import duckdb", "duckdb.sql('create or replace table tt as select 1 as a')"], "r = duckdb.sql('select * from tt').fetchall()", ["import duckdb", "duckdb.sql('create or replace table tt as select 2 as a')"]),
    "a view of duckdb": ([FRAME, "import duckdb", "duckdb.register('vv', df)"], "r = duckdb.sql('select sum(a) from vv').fetchall()", [FRAME, "import duckdb", "duckdb.register('vv', df.head(1))"]),
    "a setting of duckdb": ([FRAME, "import duckdb"], "r = duckdb.sql('select * from (values (1), (null)) v(a) order by a').fetchall()", [FRAME, "import duckdb", "duckdb.sql(\"set null_order='nulls_first'\")"]),
    "the result of duckdb": (["import duckdb", "_c = duckdb.execute('select 1')"], "r = duckdb.fetchall()", ["import duckdb", "_c = duckdb.execute('select 2')"]),
}  # fmt: skip


@pytest.fixture
def duckdb_as_new() -> Any:
    """The default connection of duckdb is the process's, which the tests share."""
    duckdb = pytest.importorskip("duckdb")
    yield None
    duckdb.default_connection().close()
    duckdb.set_default_connection(duckdb.connect())


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.usefixtures("duckdb_as_new")
def test_what_a_string_names_is_edited(shells: Shells, what: str) -> None:
    before, cell, after = CHANGES[what]
    first = shells()
    for code in before:
        first.plain(code)
    first.cell(cell)
    old = first["r"]
    changed = shells()
    for code in after:
        changed.plain(code)
    try:
        status = changed.cell(cell)
    except Exception:
        return  # it executed
    assert status in ("executed", "blocked"), changed.reasons
    assert str(old) != str(changed["r"])


@pytest.mark.usefixtures("duckdb_as_new")
@pytest.mark.parametrize(
    ("before", "cell"),
    [
        (["import duckdb"], "duckdb.sql('create or replace table mine as select 1')\nr = 1"),
        (["import duckdb"], "duckdb.sql(\"copy (select 1 as a) to 'x.csv'\")\nr = 1"),
        (["import duckdb"], "r = duckdb.sql('select random() as r').fetchall()"),
        (["import duckdb"], "r = duckdb.sql('select 1 as r').alias"),
        (["import duckdb"], "r = duckdb.sql(\"select a from 'https://127.0.0.1/x.parquet'\") if 0 else 1"),
        ([FRAME], "r = df.query('a > @pd.Timestamp.now().year')"),
        ([FRAME], "r = df.query('a > @pd.Timestamp.' + 'now().year')"),
        ([FRAME, SMF, "import time"], "r = smf.ols('y ~ a + I(a * time.time())', df).fit().params.to_dict()"),
        ([FRAME, SMF], "import time\nr = smf.ols('y ~ a + I(a * time' + '.time())', df).fit().params.to_dict()"),
        ([FRAME, SMF], "r = smf.ols('y ~ I(a * eval(\"2\"))', df).fit().params.to_dict()"),
        (["gen = (i for i in 'ab')", FRAME, "import duckdb\nv = [df.a.values]\nrel = duckdb.sql('select 1 as a')"], "r = duckdb.sql('select * from rel').fetchall()"),
    ],
)  # fmt: skip
def test_what_a_string_does_that_is_not_followed_executes_every_time(
    shells: Shells, before: list[str], cell: str
) -> None:
    shell, status = twice(shells, before, cell)
    assert status in ("executed", "blocked"), shell.reasons
    assert shell.decisions()[-1]["reasons"]


def test_a_name_of_a_query_goes_and_comes_back(shells: Shells) -> None:
    first = shells()
    first.plain(FRAME)
    first.plain("t = 1")
    cell = "r = len(df.query('a > @t'))"
    assert first.cell(cell) == "executed"
    assert first.cell(cell) == "reused"
    first.plain("del t")
    with pytest.raises(Exception, match="t"):
        first.cell(cell)
    first.plain("t = 2")
    assert first.cell(cell) == "executed"
    first.plain("t = 1")
    assert first.cell(cell) == "reused"
    assert first["r"] == 2


def test_a_name_that_a_project_module_reads_in_a_query(shells: Shells) -> None:
    def run(limit: int) -> Any:
        shell = shells()
        Path("asking.py").write_text(f"LIMIT = {limit}\n\ndef ask(df):\n    return len(df.query('a > @LIMIT'))\n")
        shell.plain(FRAME)
        shell.plain("import asking")
        return shell, shell.cell("r = asking.ask(df)")

    assert run(1)[1] == "executed"
    shell, status = run(1)
    assert status == "reused", shell.reasons
    shell, status = run(222)
    assert status == "executed"
    assert shell["r"] == 0


def test_a_file_that_a_query_of_duckdb_names(shells: Shells) -> None:
    pd = pytest.importorskip("pandas")
    cell = "import duckdb\nr = duckdb.sql(\"select sum(a) as s from 'd/x.parquet'\").fetchall()"

    def run(values: list[int]) -> Any:
        shell = shells()
        Path("d").mkdir(exist_ok=True)
        pd.DataFrame({"a": values}).to_parquet("d/x.parquet")
        return shell, shell.cell(cell)

    assert run([1, 2])[1] == "executed"
    shell, status = run([1, 2])
    assert status == "reused", shell.reasons
    shell, status = run([1, 2, 4])
    assert status == "executed"
    assert shell["r"] == [(7,)]


def test_a_cell_that_binds_the_name_itself_is_reused_in_the_same_kernel(shells: Shells) -> None:
    shell = shells()
    shell.plain(FRAME)
    assert shell.cell("t = 1\nr = len(df.query('a > @t'))") == "executed"
    assert shell.cell("t = 1\nr = len(df.query('a > @t')) + 0") == "executed"
    again = shells()
    again.plain(FRAME)
    assert again.cell("t = 1\nr = len(df.query('a > @t')) + 0") == "reused", again.reasons


def test_a_name_that_is_ignored_is_not_followed(shells: Shells) -> None:
    for value in (1, 2):
        shell = shells()
        shell.plain(FRAME)
        shell.plain(f"t = {value}")
        status = shell.cell("r = len(df.query('a > @t'))", "--ignore t")
    assert status == "reused", shell.reasons


def test_a_connection_to_duckdb_that_the_cell_does_not_use_costs_nothing(shells: Shells) -> None:
    pytest.importorskip("duckdb")
    shell, status = twice(
        shells,
        [FRAME, "import duckdb\ncon = duckdb.connect()\ngroups = df.groupby('a')"],
        "r = duckdb.sql('select sum(a) as s from df').fetchall()",
    )
    assert status == "reused", shell.reasons


def test_a_decision_names_the_variable_that_a_string_reads(shells: Shells) -> None:
    shell, status = twice(shells, [FRAME, "t = 1"], "r = df.query('a > @t')", [FRAME, "t = 2"])
    assert status == "executed"
    assert shell.reason == "value t"


def test_a_look_up_that_nobody_followed_names_the_variable_and_the_library(shells: Shells) -> None:
    shell, _ = twice(shells, [FRAME, "limit = 1"], "r = df.query('a > @lim' + 'it')")
    assert any("pandas" in reason and "limit" in reason for reason in shell.reasons), shell.reasons


@pytest.mark.usefixtures("duckdb_as_new")
@pytest.mark.parametrize(
    "cell",
    [
        "done = duckdb.sql(\"copy (select 1 as a) to 'x.csv'\")",
        "done = duckdb.sql('select 1 as a').to_csv('x.csv')",
        "w = csv.CSVWriter('x.csv', t.schema)\nw.write(t)\nw.close()\ndel w\ndone = 1",
    ],
)
def test_a_native_write_by_an_unknown_writer_is_not_saved(shells: Shells, cell: str) -> None:
    pytest.importorskip("duckdb")
    before = "import duckdb, pyarrow as pa\nfrom pyarrow import csv\nt = pa.table({'a': [1]})"
    shell, status = twice(shells, [before], cell)
    assert status in ("executed", "blocked"), shell.reasons
    assert any("x.csv was written" in reason for reason in shell.reasons), shell.reasons
