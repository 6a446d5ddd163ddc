"""Magics in tracked cells: those that are understood are followed, the others execute; all show what IPython shows."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterable
from typing import Any

import pytest
from notebooks import Notebook, Session

pytestmark = pytest.mark.kernel

MARK = "%%incremental\n"
ALLOW = "%%incremental --allow subprocess\n"
_EDITS = itertools.count(1)
_TIMES = re.compile(r"(CPU times|Wall time).*")


def _shown(run: Any) -> list[Any]:
    """What a cell showed, without the times that `%time` prints."""
    return [tuple(_TIMES.sub(r"\1", p) if isinstance(p, str) else p for p in message) for message in run.shown]


def _life(kernel: Session, cells: Iterable[str]) -> list[tuple[Any, ...]]:
    out = []
    for cell in cells:
        run = kernel.run(cell, allow_error=True)
        out.append((cell, kernel.decision.get("status", ""), _shown(run), run.execution_count))
    return out


def _as_plain(notebook: Notebook, cells: list[str], expected: dict[str, tuple[str, str]]) -> None:
    """Run the cells plainly, and in two kernels with incnb: all show the same, and the marked ones decide as expected.

    `expected` are the statuses by cell in the first and the second kernel; the default is executed, then reused.
    """
    with notebook.kernel(first="pass") as plain:
        reference = _life(plain, [re.sub(r"%%incremental.*\n", "", cell) for cell in cells])
    for turn in (0, 1):
        with notebook.kernel() as kernel:
            for was, now in zip(reference, _life(kernel, cells), strict=True):
                assert now[2:] == was[2:], now[0]
                if MARK.strip() in now[0]:
                    assert now[1] == expected.get(now[0], ("executed", "reused"))[turn], (now[0], kernel.decision)


def _edit(notebook: Notebook, name: str, text: str) -> None:
    """Each edit is later than those before: `%autoreload` looks for newer files, Python for other seconds."""
    notebook.write(name, text)
    later = time.time_ns() + next(_EDITS) * 10_000_000_000
    os.utime(notebook.work / name, ns=(later, later))


def test_time_and_capture_are_transparent_above_below_and_inside(notebook: Notebook) -> None:
    failing = ["%%time\n%%incremental\n1 / 0", MARK + "%%capture bad\nprint(1)\n1 / 0", MARK + "%time 1 / 0"]
    cells = [
        MARK + "%%time\nx = 1\nprint('a')\nx + 1",
        "%%time\n%%incremental\nx = 2\nprint('a')\nx + 1",
        "x",
        MARK + "%%capture out\nprint('q')\ndisplay(3)\n5",
        "out.stdout, len(out.outputs)",
        "%%capture out2\n%%incremental\nprint('z')\nw = 9",
        "out2.stdout, w",
        MARK + "%%capture o3\n%%time\nprint('z')\nw = 10",
        "w, 'Wall' in o3.stdout",
        "%%time\n%%capture o5\n%%incremental\nw = 13\nprint('k')",
        "%%capture\n%%time\n%%incremental\nw14 = 14\nprint('k')",
        "w, o5.stdout, w14",
        MARK + "a = 3\n%time b = a + 1\n%time a + b\n%time print('hi')\nb",
        MARK + "y = %time a * 2\nprint(y)",
        MARK + "%time a + 5",
        MARK + "%time import math; z = math.floor(2.5)",
        "z",
        MARK + "for i in range(2):\n    %time i + 1",
        MARK + "%time def k(): return a",
        "k()",
        *failing,
    ]
    _as_plain(notebook, cells, dict.fromkeys(failing, ("failed", "failed")))


def test_a_value_below_time_is_followed_and_incremental_on_tracks_it(notebook: Notebook) -> None:
    for expected, result in (("executed", "3"), ("reused", "3")):
        with notebook.kernel() as nb:
            nb.run("a = 1")
            nb.run("%incremental on")
            assert nb.status("%%time\nv = a + 2") == expected
            assert nb.status("%time u = a + 2") == expected
            assert nb.status("%%capture c\nt = a + 2\nprint(t)") == expected
            assert nb.run("u").result == nb.run("v").result == {"text/plain": result}
            nb.run("%incremental off")
            nb.run("a = 2")
            for cell in ("%time u = a + 2", "%%time\nv = a + 2", "%%capture c\nt = a + 2\nprint(t)"):
                nb.run("a = 5")
                assert nb.status(MARK + cell) == ("executed" if expected == "executed" else "reused")
            assert nb.run("u, v, t, c.stdout").result == {"text/plain": "(7, 7, 7, '7\\n')"}


RUN = MARK + "%run script.py"
SCRIPT = "import os\nimport utils\ndata = open('d.txt').read()\nN = utils.f(3)\nenv = os.environ.get('MYVAR')\nprint('ran')\n"


def test_a_script_is_followed_with_its_modules_files_and_environment(notebook: Notebook) -> None:
    utils = "K = 2\ndef f(x):\n    return x * K\n"
    notebook.write("script.py", SCRIPT)
    notebook.write("utils.py", utils)
    notebook.write("d.txt", "one")
    show = "N, data, env"
    steps: list[tuple[Any, str, str, dict[str, str]]] = [
        (None, "executed", "(6, 'one', None)", {}),
        (None, "reused", "(6, 'one', None)", {}),
        (("utils.py", utils.replace("2", "5")), "executed", "(15, 'one', None)", {}),
        (("d.txt", "two"), "executed", "(15, 'two', None)", {}),
        (None, "executed", "(15, 'two', 'x')", {"MYVAR": "x"}),
        (("script.py", SCRIPT.replace("f(3)", "f(4)")), "executed", "(20, 'two', None)", {}),
        (("script.py", SCRIPT), "reused", "(15, 'two', None)", {}),
    ]
    for edit, status, values, env in steps:
        if edit:
            _edit(notebook, *edit)
        with notebook.kernel(**env) as nb:
            nb.run("utils = N = 'mine'")  # a script sees nothing of the notebook
            run = nb.run(RUN)
            assert nb.decision["status"] == status, (edit, nb.decision)
            assert run.stdout == "ran\n" and nb.run(show).result == {"text/plain": values}


def test_scripts_do_what_plain_ipython_does_and_what_cannot_be_followed_executes(notebook: Notebook) -> None:
    notebook.write("fns.py", "K = 5\ndef g(x):\n    return x * K\nclass D:\n    def m(self): return K\nd = D()\n")
    notebook.write("fail.py", "a1 = 1\nprint('x')\n1 / 0\n")
    notebook.write("clock.py", "import time\nnow = time.time() > 0\n")
    notebook.write("sets.py", "import pandas as pd\npd.set_option('display.max_rows', 7)\n")
    notebook.write("argv.py", "import sys\nprint(sys.argv[1:])\n")
    notebook.write("sub/s.py", "import side\nv = side.V\n")
    notebook.write("sub/side.py", "V = 4\n")
    notebook.write("sub/ok.py", "import json\nv2 = json.dumps([1])\n")
    notebook.write("name.py", "nm = __name__\nif __name__ == '__main__':\n    print('main')\n")
    notebook.write("inter.py", "q = base * 2\ndef h(): return base + 1\n")
    never = ("executed", "executed")
    expected = {
        MARK + "%run fns.py": never,
        MARK + "%run fail.py": never,
        MARK + "%run clock.py": ("blocked", "blocked"),
        MARK + "%run argv.py 1 2": never,
        MARK + "%run sub/s.py": never,
        MARK + "%run -n name.py": never,
        MARK + "%run absent.py": ("failed", "failed"),
    }
    cells = [
        "base = 21\ndef g(x): return 'old'\nclass D:\n    def m(self): return 'old'\ndef h(): return 'old'",
        MARK + "%run fns.py\nz1 = g(2)",
        "z1, g(2), d.m()",
        MARK + "%run sub/ok.py",
        MARK + "%run sets.py",
        "import pandas as pd\npd.get_option('display.max_rows')",
        MARK + "%run -i inter.py",
        "q, h(), v2",
        MARK + "nm = 0\n%run name.py\nprint(nm)",
        MARK + "%time %run name",
        *expected,
        "v, __name__, '__file__' in globals(), __doc__",
    ]
    expected[cells[1]] = never
    _as_plain(notebook, cells, expected)


def test_a_script_run_in_the_notebook_sees_its_variables_and_one_that_configures_counts_later(
    notebook: Notebook,
) -> None:
    notebook.write("inter.py", "q = base * 2\n")
    notebook.write(
        "sets.py", "import pandas as pd\npd.options.display.max_rows = 7\npd.Series.double = lambda s: s * 2\n"
    )
    with notebook.kernel() as nb:
        cell = MARK + "%run -i inter.py"
        for base, status in ((1, "executed"), (2, "executed"), (1, "reused")):
            nb.run(f"base = {base}")
            assert nb.status(cell) == status
            assert nb.run("q").result == {"text/plain": str(base * 2)}
        nb.run("import pandas as pd")
        reader = MARK + "total = pd.Series([1, 2]).sum()\ntotal"
        assert nb.status(reader) == "executed"
        assert nb.status(reader) == "reused"
        nb.run("%run sets.py")
        assert nb.status(reader) == "executed", "what a script configures counts for later cells"


def test_written_files_are_put_back_and_a_module_written_so_is_seen_as_edited(notebook: Notebook) -> None:
    write = MARK + "%%writefile lib.py\nV = {}\n"
    use = MARK + "import lib\nw = lib.V\nw"
    with notebook.kernel() as nb:
        assert nb.run(write.format(1)).stdout == "Writing lib.py\n"
        assert nb.decision["status"] == "executed"
        assert nb.run(write.format(1)).stdout == "Overwriting lib.py\n"
        assert nb.status(write.format(1)) == "reused"
        assert nb.status(MARK + "%%writefile -a log.txt\nmore\n") == "executed"
        assert nb.status(MARK + "%%writefile -a log.txt\nmore\n") == "executed"
        assert (notebook.work / "log.txt").read_text() == "more\nmore\n"
        assert nb.run(use).result == {"text/plain": "1"}
    (notebook.work / "lib.py").unlink()
    with notebook.kernel() as nb:
        assert nb.run(write.format(1)).stdout == "Writing lib.py\n"
        assert nb.decision["status"] == "reused" and (notebook.work / "lib.py").read_text() == "V = 1\n"
        assert nb.status(use) == "reused"
        notebook.write("lib.py", "V = 'mine'\n")
        assert nb.status(write.format(1)) == "executed"
        assert (notebook.work / "lib.py").read_text() == "V = 1\n"
    with notebook.kernel() as nb:
        nb.run(write.format(22))
        assert nb.run(use).result == {"text/plain": "22"} and nb.decision["status"] == "executed"


PROCESSES = [
    "!echo hi {name} $name",
    "o = !echo one\nprint(o)",
    "%%bash\necho b",
    "%%sh\necho c",
    "%%script cat\nabc",
    "%system echo 3",
    "%sx echo 4",
    "%%bash --out bo\necho b",
    "!exit 3",
    "%pip --version",
]


def test_processes_are_blocked_until_they_are_allowed(notebook: Notebook) -> None:
    blocked = [MARK + cell for cell in PROCESSES]
    allowed = [ALLOW + cell for cell in PROCESSES]
    cells = ["name = 'world'", *blocked, "_exit_code", *allowed, "bo, o, _exit_code"]
    _as_plain(notebook, cells, dict.fromkeys(blocked, ("blocked", "blocked")))
    first = next(d for d in notebook.decisions() if d["status"] == "blocked")
    detail = next(r["detail"] for r in first["reasons"] if r["code"] == "effect")
    assert "!echo hi" in detail and "--allow subprocess" in detail
    with notebook.kernel() as nb:
        nb.run("name = 'moon'")
        assert nb.run(allowed[0]).stdout.strip() == "hi moon moon", "variables in a command are inputs"


def test_autoreload_is_taken_into_account_before_the_decision_and_set_up_again(notebook: Notebook) -> None:
    old, new = "def f(x):\n    return x * 2\n", "def f(x):\n    return x * 100\n"
    cells = [MARK + "%load_ext autoreload\n%autoreload 2", "import mod", MARK + "y = mod.f(3)\ny"]
    for turn in range(2):
        _edit(notebook, "mod.py", old)
        with notebook.kernel() as nb:
            again = "reused" if turn else "executed"
            assert nb.status(cells[0]) == again
            nb.run(cells[1])
            assert nb.status(cells[2]) == again
            _edit(notebook, "mod.py", new)
            assert nb.run(cells[2]).result == {"text/plain": "300"}
            assert nb.decision["status"] == again
            _edit(notebook, "mod.py", old)
            assert nb.run(cells[2]).result == {"text/plain": "6"}
            assert nb.decision["status"] == "reused"


def test_magics_that_set_up_the_kernel_run_again_in_place(notebook: Notebook) -> None:
    variable = MARK + "%precision $places"
    cells = [
        MARK + "%matplotlib inline\nm = 1\nm",
        MARK + "%config InlineBackend.figure_format = 'svg'\nm = 2",
        MARK + "%load_ext autoreload\nm = 3",
        MARK + "%reload_ext autoreload\nm = 4",
        MARK + "%precision 3\nm = 5",
        "1.23456",
        MARK + "1.23456",
        "places = 5",
        variable,
        "1.23456, m",
    ]
    _as_plain(notebook, cells, {variable: ("executed", "executed")})


def test_constant_displays_are_reused_and_unknown_magics_execute_as_they_would(notebook: Notebook) -> None:
    never, failed = ("executed", "executed"), ("failed", "failed")
    expected = {
        MARK + "%who int": never,
        MARK + "x = 1\n%whos str": never,
        MARK + "%history -l 1": never,
        MARK + "len?": never,
        MARK + "%lsmagic\n5": never,
        MARK + "%autoreload": failed,
        MARK + "%nosuch 3": failed,
        MARK + "%%nosuch\n3": failed,
    }
    own = [MARK + "%mine abc", MARK + "x = %mine q\nx", MARK + "%%html\n<b>x</b>"]
    cells = [
        MARK + "%%html\n<b>x</b>",
        MARK + "%%markdown\n# x",
        MARK + "%%latex\n$x$",
        MARK + "%%javascript\n1",
        MARK + "%%svg\n<svg></svg>",
        *expected,
        "from IPython.core.magic import register_cell_magic, register_line_magic\n"
        "@register_line_magic\ndef mine(line): return line + '!'\n"
        "@register_cell_magic\ndef markdown(line, cell): print('custom', cell)",
        *own[:2],
        MARK + "%%markdown\n# y",
    ]
    _as_plain(notebook, cells, {**expected, **dict.fromkeys([*own[:2], cells[-1]], never)})
    named = [r["locator"] for d in notebook.decisions() for r in d["reasons"] if r["code"] == "unsafe"]
    assert {"%who", "%mine", "%%markdown", "%pinfo"} <= set(named)


def test_a_marker_below_timeit_is_refused_in_one_line(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        for above in ("timeit", "prun"):
            run = nb.run(f"%%{above}\n%%incremental\n1 + 1", allow_error=True)
            assert run.error is not None
            assert run.error[2].strip() == f"incnb: %%incremental cannot stand below %%{above}; remove one of the two"
        assert "per loop" in nb.run(MARK + "%%timeit -n1 -r1\n1 + 1").stdout
        assert nb.decision["status"] == "executed" and nb.reasons[1] == "unsafe %%timeit"
