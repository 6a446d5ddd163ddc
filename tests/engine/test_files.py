"""Files that a cell reads, lists, looks at and writes: dependencies and outputs, found by themselves."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell

Shells = Callable[[], Shell]
SEES_LOOKS = hasattr(sys, "monitoring")
looks = pytest.mark.skipif(not SEES_LOOKS, reason="this Python does not tell of looks; the words of the code do")


def twice(shells: Shells, cell: str, before: str = "", options: str = "") -> Shell:
    """Run the cell in one kernel, and reuse it in the next."""
    for expected in ("executed", "reused"):
        shell = shells()
        if before:
            shell.plain(before)
        assert shell.cell(cell, options) == expected, shell.reasons
    return shell


# -- reading

READS = {
    "open": "r = open('data.txt').read()",
    "with open": "with open('data.txt') as f:\n    r = f.read()",
    "pathlib": "from pathlib import Path\nr = Path('data.txt').read_text()",
    "a descriptor": "import os\nfd = os.open('data.txt', os.O_RDONLY)\nr = os.read(fd, 100)\nos.close(fd)",
    "numpy": "import numpy as np\nr = np.loadtxt('data.txt', skiprows=1).sum()",
    "pandas": "import pandas as pd\nr = pd.read_csv('data.txt')['a'].sum()",
    "json": "import json\nr = json.load(open('data.json'))",
    "an absolute path": "import os\nr = open(os.path.join(os.getcwd(), 'data.txt')).read()",
    "a path in a variable": "r = open(path).read()",
    "a helper": "r = load()",
    "a thread": "import threading\nout = []\nt = threading.Thread(target=lambda: out.append(open('data.txt').read()))\nt.start(); t.join()\ndel t\nr = out[0]",
    "a pool of threads": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as p:\n    r = list(p.map(read, ['data.txt']))[0]\ndel p",
    "codecs": "import codecs\nwith codecs.open('data.txt') as c:\n    r = c.read()\ndel c",
}
HELPERS = "path = 'data.txt'\ndef read(p):\n    return open(p).read()\ndef load():\n    return read('data.txt')"


def write_data(text: str) -> None:
    Path("data.txt").write_text(text)
    Path("data.json").write_text(repr([float(n) for n in text.split()[1:]]))


@pytest.mark.parametrize("how", READS)
def test_a_file_that_is_read_is_a_dependency_by_content(shells: Shells, how: str) -> None:
    write_data("a\n1\n2\n")
    shell = twice(shells, READS[how], HELPERS)
    old = shell["r"]
    write_data("a\n1\n5\n")
    shell = shells()
    shell.plain(HELPERS)
    assert shell.cell(READS[how]) == "executed"
    assert shell.reason.startswith("file "), shell.reasons
    assert "data." in shell.reason
    assert str(shell["r"]) != str(old)
    write_data("a\n1\n2\n")
    shell = shells()
    shell.plain(HELPERS)
    assert shell.cell(READS[how]) == "reused", shell.reasons
    assert str(shell["r"]) == str(old)


def test_an_unrelated_file_costs_nothing(shells: Shells) -> None:
    write_data("a\n1\n")
    Path("other.txt").write_text("x")
    twice(shells, READS["with open"])
    Path("other.txt").write_text("y")
    assert shells().cell(READS["with open"]) == "reused"


def test_a_touched_file_with_the_same_content_is_not_mentioned(shells: Shells) -> None:
    write_data("a\n1\n")
    twice(shells, READS["open"])
    os.utime("data.txt", (1, 1))
    shell = shells()
    assert shell.cell(READS["open"]) == "reused"
    assert shell.reason == "contained"


def test_a_copy_that_keeps_size_and_time_is_told_by_its_content(shells: Shells) -> None:
    write_data("a\n1\n")
    os.utime("data.txt", (1_000_000, 1_000_000))
    time.sleep(2.1)  # so that the identity is trusted
    twice(shells, READS["open"])
    Path("new.txt").write_text("a\n7\n")
    os.utime("new.txt", (1_000_000, 1_000_000))
    shutil.copy2("new.txt", "data.txt")
    shell = shells()
    assert shell.cell(READS["open"]) == "executed"
    assert shell["r"] == "a\n7\n"


def test_a_deleted_file_executes_the_cell_which_fails_as_it_would(shells: Shells) -> None:
    write_data("a\n1\n")
    twice(shells, READS["open"])
    Path("data.txt").unlink()
    shell = shells()
    with pytest.raises(FileNotFoundError):
        shell.cell(READS["open"])
    assert shell.reason == "file data.txt"
    assert shell.decisions()[-1]["reasons"][0]["detail"] == "deleted"


def test_a_file_that_was_missing_is_a_dependency_on_its_absence(shells: Shells) -> None:
    cell = "try:\n    r = open('late.txt').read()\nexcept FileNotFoundError:\n    r = 'none'"
    twice(shells, cell)
    Path("late.txt").write_text("here")
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] == "here"


def test_a_file_replaced_by_renaming_another_over_it_is_seen(shells: Shells) -> None:
    write_data("a\n1\n")
    twice(shells, READS["open"])
    Path("tmp").write_text("a\n9\n")
    Path("tmp").replace("data.txt")
    shell = shells()
    assert shell.cell(READS["open"]) == "executed"
    assert shell["r"] == "a\n9\n"


def test_a_file_that_changes_while_the_cell_runs_is_not_recorded(shells: Shells) -> None:
    write_data("a\n1\n")
    shell = shells()
    shell.ip.user_ns["meddle"] = lambda: None
    cell = "r = open('data.txt').read()\nimport time\ntime.sleep(0.6)"
    import threading

    def meddle() -> None:
        time.sleep(0.3)
        Path("data.txt").write_text("a\n2\n")

    thread = threading.Thread(target=meddle)
    from incnb.outputs import effects
    from incnb.outputs.threads import by_ident

    thread.start()
    effects._KERNEL_THREADS.update(by_ident([thread]))  # not the cell's doing
    try:
        assert shell.cell(cell) == "executed"
    finally:
        thread.join()
        effects._KERNEL_THREADS.pop(thread.ident or 0, None)
    assert any("changed while it ran" in r for r in shell.reasons), shell.reasons
    assert shells().cell(cell) == "executed"


def test_a_relative_path_is_looked_up_from_the_folder_of_the_moment(shells: Shells) -> None:
    write_data("a\n1\n")
    Path("other").mkdir()
    Path("other/data.txt").write_text("a\n2\n")
    twice(shells, READS["open"])
    os.chdir("other")
    shell = shells()
    assert shell.cell(READS["open"]) == "executed"
    assert shell["r"] == "a\n2\n"


def test_an_absolute_path_made_from_the_folder_of_the_moment_depends_on_it(shells: Shells) -> None:
    write_data("a\n1\n")
    Path("other").mkdir()
    Path("other/data.txt").write_text("a\n2\n")
    twice(shells, READS["an absolute path"])
    os.chdir("other")
    shell = shells()
    assert shell.cell(READS["an absolute path"]) == "executed"
    assert shell["r"] == "a\n2\n"


def test_a_failure_that_depended_on_a_file_is_named_only_while_the_file_is_the_same(shells: Shells) -> None:
    Path("data.txt").write_text("a\nx\n")
    cell = "r = int(open('data.txt').read()[2])"
    for expected in ("never-run", "last-failed"):
        shell = shells()
        with pytest.raises(ValueError, match="invalid literal"):
            shell.cell(cell)
        assert shell.reason.startswith(expected)
    write_data("a\n1\n")
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell.reason.startswith("never-run")


# -- listing, searching, looking

LISTS = {
    "listdir": "import os\nr = sorted(os.listdir('d'))",
    "scandir": "import os\nr = sorted(e.name for e in os.scandir('d'))",
    "walk": "import os\nr = sorted(f for _, _, fs in os.walk('d') for f in fs)",
    "glob": "import glob\nr = sorted(glob.glob('d/*.csv'))",
    "iglob": "import glob\nr = sorted(glob.iglob('d/**/*.csv', recursive=True))",
    "Path.glob": "from pathlib import Path\nr = sorted(map(str, Path('d').glob('*.csv')))",
    "Path.rglob": "from pathlib import Path\nr = sorted(map(str, Path('d').rglob('*.csv')))",
    "iterdir": "from pathlib import Path\nr = sorted(map(str, Path('d').iterdir()))",
}


@pytest.mark.parametrize("how", LISTS)
def test_a_new_and_a_deleted_file_in_a_listed_folder_count(shells: Shells, how: str) -> None:
    Path("d").mkdir()
    Path("d/a.csv").write_text("1")
    old = twice(shells, LISTS[how])["r"]
    Path("d/b.csv").write_text("2")
    shell = shells()
    assert shell.cell(LISTS[how]) == "executed"
    assert shell.reason.startswith("file ")
    assert len(shell["r"]) == 2
    Path("d/b.csv").unlink()
    shell = shells()
    assert shell.cell(LISTS[how]) == "reused", shell.reasons
    assert shell["r"] == old


@pytest.mark.parametrize("how", ["glob", "Path.glob", "iglob"])
def test_what_a_pattern_does_not_match_costs_nothing(shells: Shells, how: str) -> None:
    Path("d").mkdir()
    Path("d/a.csv").write_text("1")
    twice(shells, LISTS[how])
    Path("d/b.txt").write_text("2")
    assert shells().cell(LISTS[how]) == "reused"


def test_every_file_read_in_a_listed_folder_counts(shells: Shells) -> None:
    Path("d").mkdir()
    for name in "ab":
        Path(f"d/{name}.csv").write_text(name)
    cell = "import glob\nr = ''.join(open(f).read() for f in sorted(glob.glob('d/*.csv')))"
    twice(shells, cell)
    Path("d/b.csv").write_text("c")
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell.reason == "file d/b.csv"


LOOKS = {
    "exists": ("os.path.exists('x')", False, True),
    "isfile": ("os.path.isfile('x')", False, True),
    "getsize": ("os.path.getsize('y')", None, None),
    "getmtime": ("os.path.getmtime('y')", None, None),
    "Path.exists": ("Path('x').exists()", False, True),
    "Path.is_file": ("Path('x').is_file()", False, True),
    "Path.stat": ("Path('y').stat().st_size", None, None),
    "a helper": ("there('x')", False, True),
}


@looks
@pytest.mark.parametrize("how", LOOKS)
def test_a_look_at_a_path_is_a_dependency(shells: Shells, how: str) -> None:
    Path("y").write_text("1")
    expression, *_ = LOOKS[how]
    cell = f"import os\nfrom pathlib import Path\nr = {expression}"
    before = "import os\ndef there(p):\n    return os.path.exists(p)"
    old = twice(shells, cell, before)["r"]
    Path("x").write_text("now")
    Path("y").write_text("12345")
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "executed", shell.reasons
    assert shell.reason.startswith("file ")
    assert shell["r"] != old


@looks
def test_a_look_that_sees_the_same_costs_nothing(shells: Shells) -> None:
    Path("x").write_text("1")
    cell = "from pathlib import Path\nr = Path('x').exists()"
    twice(shells, cell)
    Path("x").write_text("2")
    assert shells().cell(cell) == "reused"


@looks
def test_a_cache_of_the_users_own_executes_once_more_and_is_reused_then(shells: Shells) -> None:
    cell = (
        "import os, json\nif os.path.exists('cache.json'):\n    r = json.load(open('cache.json')) + 1\n"
        "else:\n    r = 1\n    with open('cache.json', 'w') as f:\n        json.dump(r, f)"
    )
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 1
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] == 2
    shell = shells()
    assert shell.cell(cell) == "reused"
    assert shell["r"] == 2


def test_built_in_looks_execute_every_time(shells: Shells) -> None:
    Path("y").write_text("1")
    for _ in range(2):
        assert shells().cell("import os\nr = os.stat('y').st_size") == "executed"


# -- writing

WRITES = {
    "open": "with open('out.txt', 'w') as f:\n    _ = f.write('hello')",
    "Path": "from pathlib import Path\n_ = Path('out.txt').write_text('hello')",
    "pandas": "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('out.txt')",
    "numpy": "import numpy as np\nnp.savetxt('out.txt', np.arange(3))",
    "tmp and rename": "import os\nwith open('tmp', 'w') as f:\n    _ = f.write('hello')\nos.replace('tmp', 'out.txt')",
    "a helper": "save('hello')",
    "copy": "import shutil\n_ = shutil.copy('src.txt', 'out.txt')",
    "matplotlib": "import matplotlib\nfrom matplotlib.figure import Figure\nfig = Figure()\nfig.savefig('out.txt', format='svg', metadata={'Date': None})\ndel fig",
    "gzip": "import gzip\nwith gzip.GzipFile('out.txt', 'wb', mtime=0) as g:\n    _ = g.write(b'hello')\ndel g",
}
SAVE = "def save(text):\n    with open('out.txt', 'w') as f:\n        f.write(text)"


@pytest.mark.parametrize("how", WRITES)
def test_a_written_file_is_put_back_when_it_is_missing(shells: Shells, how: str) -> None:
    Path("src.txt").write_text("source")
    twice(shells, WRITES[how], SAVE)
    content = Path("out.txt").read_bytes()
    Path("out.txt").unlink()
    shell = shells()
    shell.plain(SAVE)
    assert shell.cell(WRITES[how]) == "reused", shell.reasons
    assert Path("out.txt").read_bytes() == content
    assert not Path("tmp").exists()


def test_a_written_file_that_a_person_changed_executes_the_cell(shells: Shells) -> None:
    twice(shells, WRITES["open"])
    Path("out.txt").write_text("mine")
    shell = shells()
    assert shell.cell(WRITES["open"]) == "executed"
    assert shell.reason == "file out.txt"
    assert "changed since this cell wrote it" in shell.reasons[0]
    assert Path("out.txt").read_text() == "hello"


def test_what_the_cell_found_is_overwritten_again(shells: Shells) -> None:
    Path("out.txt").write_text("from before")
    twice(shells, WRITES["open"])
    Path("out.txt").write_text("from before")
    assert shells().cell(WRITES["open"]) == "reused"
    assert Path("out.txt").read_text() == "hello"


def test_a_file_that_is_read_and_written_is_never_reused(shells: Shells) -> None:
    Path("n.txt").write_text("1")
    cells = {
        "rewrite": "n = int(open('n.txt').read()) + 1\nwith open('n.txt', 'w') as f:\n    _ = f.write(str(n))",
        "append": "with open('n.txt', 'a') as f:\n    _ = f.write('1')",
        "update": "with open('n.txt', 'r+') as f:\n    _ = f.write('9')",
        "rename over": "n = open('n.txt').read()\nimport os\nwith open('t', 'w') as f:\n    _ = f.write(n + '1')\nos.replace('t', 'n.txt')",
    }
    for cell in cells.values():
        for _ in range(3):
            assert shells().cell(cell) == "executed"


def test_a_file_that_the_cell_wrote_before_reading_it_is_no_dependency(shells: Shells) -> None:
    cell = "with open('own.txt', 'w') as f:\n    _ = f.write('1')\nr = open('own.txt').read()"
    twice(shells, cell)
    Path("own.txt").unlink()
    assert shells().cell(cell) == "reused"
    assert Path("own.txt").read_text() == "1"


def test_a_temporary_folder_leaves_nothing_and_costs_nothing(shells: Shells) -> None:
    cell = (
        "import tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    p = os.path.join(d, 'x')\n"
        "    with open(p, 'w') as f:\n        _ = f.write('1')\n    r = open(p).read()\ndel d, p, f"
    )
    twice(shells, cell)


def test_folders_are_made_again(shells: Shells) -> None:
    cell = "import os\nos.makedirs('out/deep', exist_ok=True)\nwith open('out/deep/x.txt', 'w') as f:\n    _ = f.write('1')"
    twice(shells, cell)
    shutil.rmtree("out")
    assert shells().cell(cell) == "reused"
    assert Path("out/deep/x.txt").read_text() == "1"


def test_a_folder_that_must_not_exist_fails_as_it_would(shells: Shells) -> None:
    cell = "import os\nos.mkdir('once')"
    assert shells().cell(cell) == "executed"
    with pytest.raises(FileExistsError):
        shells().cell(cell)


def test_a_missing_folder_fails_as_it_would(shells: Shells) -> None:
    Path("out").mkdir()
    cell = "with open('out/x.txt', 'w') as f:\n    _ = f.write('1')"
    twice(shells, cell)
    shutil.rmtree("out")
    with pytest.raises(FileNotFoundError):
        shells().cell(cell)


@pytest.mark.parametrize(
    "change", ["os.remove('x')", "os.rename('x', 'y')", "os.utime('x', (1, 1))", "os.symlink('x', 'l')"]
)
def test_changes_to_files_that_the_cell_did_not_make_are_not_recorded(shells: Shells, change: str) -> None:
    Path("x").write_text("1")
    shell = shells()
    assert shell.cell(f"import os\n{change}") == "executed"
    assert any(r.startswith("not-saved") for r in shell.reasons), shell.reasons


def test_two_cells_that_write_one_file_leave_what_executing_leaves(shells: Shells) -> None:
    first = "with open('o.txt', 'w') as f:\n    _ = f.write('1')"
    second = "with open('o.txt', 'w') as f:\n    _ = f.write('2')"
    for _ in range(3):
        shell = shells()
        shell.cell(first)
        assert Path("o.txt").read_text() == "1"
        shell.cell(second)
        assert Path("o.txt").read_text() == "2"


def test_a_reader_below_a_writer_is_reused_with_it(shells: Shells) -> None:
    for expected in ("executed", "reused"):
        shell = shells()
        assert shell.cell("with open('o.txt', 'w') as f:\n    _ = f.write('1')") == expected
        assert shell.cell("r = open('o.txt').read()") == expected
    Path("o.txt").unlink()
    shell = shells()
    assert shell.cell("with open('o.txt', 'w') as f:\n    _ = f.write('1')") == "reused"
    assert shell.cell("r = open('o.txt').read()") == "reused"


# -- databases, declared files, limits


def test_a_database_is_its_file(shells: Shells) -> None:
    def fill(value: int) -> None:
        with sqlite3.connect("d.sqlite") as db:
            db.execute("create table if not exists t (n)")
            db.execute("delete from t")
            db.execute("insert into t values (?)", (value,))
        db.close()

    fill(1)
    cell = "import sqlite3\ndb = sqlite3.connect('d.sqlite')\nr = db.execute('select n from t').fetchall()\ndb.close()\ndel db"
    assert twice(shells, cell)["r"] == [(1,)]
    fill(2)
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] == [(2,)]


def test_a_database_that_is_written_is_not_recorded(shells: Shells) -> None:
    cell = "import sqlite3\ndb = sqlite3.connect('d.sqlite')\n_ = db.execute('create table if not exists t (n)')\n_ = db.execute('insert into t values (1)')\ndb.commit()\ndb.close()\ndel db, _"
    for _ in range(2):
        assert shells().cell(cell) == "executed"


@pytest.mark.parametrize("query", ["select random()", "select datetime('now')", "select current_timestamp"])
def test_a_query_for_the_clock_or_for_randomness_is_not_reused(shells: Shells, query: str) -> None:
    cell = (
        f"import sqlite3\ndb = sqlite3.connect(':memory:')\nr = db.execute(\"{query}\").fetchall()\ndb.close()\ndel db"
    )
    for _ in range(2):
        assert shells().cell(cell) == "blocked"


def test_declared_files_count_whoever_reads_them(shells: Shells) -> None:
    Path("model.bin").write_text("1")
    twice(shells, "r = 1", options="--file *.bin")
    Path("model.bin").write_text("2")
    shell = shells()
    assert shell.cell("r = 1", "--file *.bin") == "executed"
    assert shell.reason == "file model.bin"
    Path("more.bin").write_text("2")
    assert shells().cell("r = 1", "--file *.bin") == "executed"
    assert shells().cell("r = 1", "--file *.bin") == "reused"
    assert shells().cell("r = 1") == "executed"  # another declaration
    assert shells().cell("r = 1", "--file *.bin --file other*") == "executed"


def test_a_large_written_file_is_compared_and_not_kept(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    from incnb.engine import files

    monkeypatch.setattr(files, "KEEP_LIMIT", 3)
    twice(shells, WRITES["open"])
    Path("out.txt").unlink()
    shell = shells()
    assert shell.cell(WRITES["open"]) == "executed"
    assert "too large" in shell.reasons[0]


@pytest.mark.parametrize("path", ["/proc/uptime", "/dev/zero"])
def test_special_files_are_not_recorded(shells: Shells, path: str) -> None:
    for _ in range(2):
        assert shells().cell(f"r = open('{path}', 'rb').read(10)") == "executed"


def test_a_file_of_the_system_is_a_file(shells: Shells, tmp_path: Path) -> None:
    """Whoever opens it by name depends on it, wherever it is."""
    twice(shells, "r = open('/etc/hosts').read()")
    (path,) = (tmp_path / "store" / "traces").glob("*/*.json")
    assert "/etc/hosts" in [d["locator"] for d in json.loads(path.read_text())["trace"]["dependencies"]]


def test_a_file_imported_as_a_module_is_no_file_dependency(shells: Shells) -> None:
    Path("helper_mod.py").write_text("def f():\n    return 1\n")
    shell = twice(shells, "import helper_mod\nr = helper_mod.f()")
    assert shell["r"] == 1
    Path("helper_mod.py").write_text("def f():\n    return 2\n")
    shell = shells()
    assert shell.cell("import helper_mod\nr = helper_mod.f()") == "executed"
    assert shell["r"] == 2


# -- environment variables


@pytest.mark.parametrize(
    "read",
    [
        "os.environ.get('SOME_V')",
        "os.getenv('SOME_V')",
        "os.environ['SOME_V'] if 'SOME_V' in os.environ else None",
        "home()",
    ],
)
def test_an_environment_variable_that_is_read_counts_and_no_other(
    shells: Shells, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "import os\ndef home():\n    return os.environ.get('SOME_V', 'none')"
    cell = f"import os\nr = {read}"
    old = twice(shells, cell, before)["r"]
    monkeypatch.setenv("OTHER_V", "1")
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "reused"
    monkeypatch.setenv("SOME_V", "1")
    shell = shells()
    shell.plain(before)
    assert shell.cell(cell) == "executed"
    assert shell.reason == "env SOME_V"
    assert shell["r"] == "1" != old


def test_secrets_are_never_shown(shells: Shells, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2-first")
    cell = "import os\nr = len(os.environ['MY_TOKEN'])"
    twice(shells, cell)
    monkeypatch.setenv("MY_TOKEN", "hunter2-second-one")
    assert shells().cell(cell) == "executed"
    for path in [*(tmp_path / "store").rglob("*"), tmp_path / "report.jsonl"]:
        if path.is_file():
            assert b"hunter2" not in path.read_bytes()


@looks
def test_a_look_of_the_users_counts_even_when_a_library_asked_before(shells: Shells) -> None:
    cell = (
        "import os, pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf.to_csv('t.csv')\n"
        "r = os.path.exists('out.csv')\nif not r:\n    df.to_csv('out.csv')"
    )
    assert shells().cell(cell) == "executed"
    shell = shells()
    assert shell.cell(cell) == "executed"
    assert shell["r"] is True


def test_verify_executes_and_compares(shells: Shells) -> None:
    Path("n.txt").write_text("1")
    cell = "import pandas as pd\nn = int(open('n.txt').read())\ndf = pd.DataFrame({'a': [n]})\nprint(n)\nwith open('o.txt', 'w') as f:\n    _ = f.write(str(n))"
    twice(shells, cell)
    shell = shells()
    assert shell.cell(cell, "--verify") == "executed"
    assert shell.reasons == ["forced --verify the same as what was saved"]


def test_verify_names_what_is_different(shells: Shells) -> None:
    """Randomness that a person allowed: what is saved is not what executing gives."""
    cell = "import numpy as np\nx = np.random.default_rng().random(3)\nprint(x[0])"
    assert shells().cell(cell, "--allow random") == "executed"
    assert shells().cell(cell, "--allow random") == "reused"
    shell = shells()
    assert shell.cell(cell, "--allow random --verify") == "executed"
    said = " ".join(shell.reasons)
    assert "x is different" in said and "bytes saved" in said and "what it showed" in said


def test_when_a_persons_condition_is_true_the_cell_executes(shells: Shells) -> None:
    shell = shells()
    shell.plain("stale = False")
    assert shell.cell("r = 1", "--when stale") == "executed"
    assert shell.cell("r = 1", "--when stale") == "reused"
    shell.plain("stale = True")
    assert shell.cell("r = 1", "--when stale") == "executed"
    assert "it is true" in shell.reasons[0]
    assert shell.cell("r = 1", "--when no_such_name") == "executed"
    assert "cannot be evaluated" in shell.reasons[0]


def test_what_is_allowed_is_asked_for_again(shells: Shells) -> None:
    cell = "import datetime\nr = datetime.datetime.now()"
    assert shells().cell(cell) == "blocked"
    assert shells().cell(cell, "--allow clock") == "executed"
    assert shells().cell(cell, "--allow clock") == "reused"
    shell = shells()
    assert shell.cell(cell) == "blocked"
    assert "--allow clock" in str(shell.reasons)


def test_a_time_to_live_ends(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = "import time\nr = time.time()"
    assert shells().cell(cell, "--ttl 1h") == "executed"
    assert shells().cell(cell, "--ttl 1h") == "reused"
    now = time.time()
    monkeypatch.setattr("incnb.engine.decide.time.time", lambda: now + 4000)
    shell = shells()
    assert shell.cell(cell, "--ttl 1h") == "executed"
    assert shell.reason.startswith("expired")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--ttl 5y", "is no time"),
        ("--allow everything", "does not know"),
        ("--ttl", "wants a value"),
        ("--fiel x", "there is no option"),
    ],
)
def test_options_that_are_wrong_are_one_line_and_the_cell_runs(
    shells: Shells, options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = shells()
    shell.ip.run_cell(f"%%incremental {options}\nr = 1").raise_error()
    shown = capsys.readouterr()
    assert shell["r"] == 1
    assert said in shown.out + shown.err and "Traceback" not in shown.out + shown.err


def test_a_file_with_another_name_is_not_replaced(shells: Shells) -> None:
    """A put-back would cut the hard link."""
    first = "import os\nwith open('a', 'w') as f:\n    _ = f.write('old')\nif not os.path.exists('b'):\n    os.link('a', 'b')"
    second = "with open('b', 'w') as f:\n    _ = f.write('new')"
    for _ in range(3):
        for name in ("a", "b"):
            Path(name).unlink(missing_ok=True)
        shell = shells()
        shell.plain(first)
        shell.cell(second)
        assert Path("a").read_text() == "new"


def test_folders_come_back_with_their_modes(shells: Shells) -> None:
    cell = "import os\nos.makedirs('t', mode=0o700, exist_ok=True)\nwith open('t/w', 'w') as f:\n    _ = f.write('1')"
    twice(shells, cell)
    shutil.rmtree("t")
    assert shells().cell(cell) == "reused"
    assert Path("t").stat().st_mode & 0o777 == 0o700


def test_our_own_reading_does_not_call_a_replaced_open(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("n.txt").write_text("1")
    calls: list[object] = []
    real = open

    def counting(*args: object, **named: object) -> object:
        calls.append(args)
        return real(*args, **named)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", counting)
    assert shells().cell("import io\nwith io.open('n.txt') as f:\n    r = f.read()") in ("executed", "reused")
    assert not [c for c in calls if "n.txt" in str(c)]


def test_a_working_directory_that_is_gone_is_no_fault(shells: Shells) -> None:
    shell = shells()
    here = str(Path.cwd())
    try:
        shell.plain("import os\nos.makedirs('gone')\nos.chdir('gone')\nos.rmdir('../gone')")
        for _ in range(4):
            shell.cell("r = 1")
        shell.plain(f"os.chdir({here!r})")
        shell.cell("q = 2")
        assert shell.cell("q = 2") == "reused"
    finally:
        os.chdir(here)


def test_a_container_of_too_many_objects_is_told_at_once(shells: Shells) -> None:
    shell = shells()
    shell.plain("xs = [{'a': i, 'b': [i]} for i in range(150_000)]")
    assert shell.cell("r = len(xs)") == "executed"
    assert "too large" in str(shell.reasons)
    assert shell.decisions()[-1]["seconds"]["decide"] < shell.decisions()[-1]["seconds"]["execute"] + 5
