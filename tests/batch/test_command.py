"""The command `incnb`, as a process of its own on stores that sessions have left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from notebooks import Shell

import incnb as package

#: Where the incnb that is tested lies: this checkout, or what is installed.
HOME = str(Path(package.__file__).resolve().parents[1])
FIRST = "base = [1, 2, 3]\ndef add(x): return x + 1"
LOOP = "# add them\nout = []\nfor x in base:\n    out.append(add(x))"
Done = subprocess.CompletedProcess

pytestmark = pytest.mark.slow


def incnb(*arguments: str | Path, **env: str) -> Done[str]:
    path = os.pathsep.join([HOME, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "incnb", *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path, **env}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def past(shells: Callable[[], Shell], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook with two sessions behind it: in the second, add() had been edited."""
    notebook = Path.cwd() / "analysis.ipynb"
    notebook.write_text("{}")
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    for first in (FIRST, FIRST.replace("x + 1", "x + 10")):
        shell = shells()
        shell.cell(first)
        shell.cell(LOOP)
        shell.cell("total = sum(base)", "--name total")
        shell.cell("print(len(out), total)", "--name shown")
    shell.close()
    return notebook


def told(done: Done[str], status: int = 0) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if status else done.stdout


def test_the_report_tells_the_latest_session(past: Path) -> None:
    lines = told(incnb("report", past)).splitlines()
    assert lines[0].startswith(f"{past} · ")
    assert "add them" in lines[4] and "▲ executed" in lines[4] and "add() changed" in lines[4]
    assert "total" in lines[5] and "✂ cutoff" in lines[5]
    assert lines[7] == "4 cells: 1 ✂ cutoff, 3 ▲ executed" and lines[9].startswith("saved: ")
    assert len(lines) == 10


def test_a_notebook_is_found_by_its_path_however_it_is_written(past: Path) -> None:
    whole = told(incnb("report", past))
    assert told(incnb("report")) == whole
    assert told(incnb("report", "analysis.ipynb")) == whole
    assert told(incnb("report", f"../{past.parent.name}/./analysis.ipynb")) == whole
    past.unlink()
    assert told(incnb("report", "analysis.ipynb")) == whole


def test_the_report_as_json(past: Path) -> None:
    report = json.loads(told(incnb("report", "--json")))
    assert report["notebook"] == str(past)
    assert [row["status"] for row in report["rows"]] == ["executed", "executed", "cutoff", "executed"]
    assert report["cells"]["executed"] == 3
    loop = report["rows"][1]
    moved = next(change for change in loop["changes"] if change["moved"])
    assert moved["locator"] == "add" and "+def add(x): return x + 10" in moved["diff"]
    shown = report["rows"][3]
    assert {tuple(read["names"]) for read in shown["reads"]} == {("out",), ("total",)}
    assert {kept["name"] for kept in loop["outputs"]} >= {"out"}


def test_the_report_as_a_page(past: Path) -> None:
    done = incnb("report", "--html", "why.html")
    assert told(done) == "" and done.stderr == "wrote why.html\n"
    html = Path("why.html").read_text("utf-8")
    assert "analysis.ipynb" in html and "+def add(x): return x + 10" in html
    assert html.count("<path ") == 4
    assert told(incnb("report", "--html", "-")) == html + "\n"
    assert "why.html cannot be written" in told(incnb("report", "--html", "missing/why.html"), 1).replace(
        "missing/", ""
    )


def test_why_tells_what_ran_and_all_of_one_cell(past: Path) -> None:
    ran = told(incnb("why", past))
    assert "add them [2]: ▲ ran" in ran and "✂" not in ran
    assert "-def add(x): return x + 1\n" in ran and "+def add(x): return x + 10" in ran
    one = told(incnb("why", past, "total"))
    assert one.startswith("total [3]: ✂ reused") and "as it is" in one and "kept" in one
    assert told(incnb("why", past, "[3]")) == one
    assert told(incnb("why", past, "add", "the")).startswith("add them [2]")


def test_stats_are_of_the_latest_session_and_of_all(past: Path) -> None:
    lines = told(incnb("stats")).splitlines()
    assert lines[0].startswith(f"this session is the latest: {past} · ")
    assert lines[1].split() == ["this", "session", "all", "recorded"]
    assert lines[2].split() == ["cells", "reused", "1", "1"]
    assert lines[3].split() == ["cells", "executed", "3", "7"]


def test_a_cell_that_failed_is_told_without_a_trace(past: Path, shells: Callable[[], Shell]) -> None:
    shell = shells()
    shell.plain("base = 'abc'")
    shell.ip.run_cell("%%incremental --name total\ntotal = sum(base)")
    shell.close()
    assert "✗ failed" in told(incnb("report"))
    assert "✗ failed after" in told(incnb("why", past, "total"))


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("why", "nowhere.ipynb"), 2, "there is no notebook nowhere.ipynb"),
        (("why", "other.ipynb"), 1, "nothing is recorded of other.ipynb"),
        (("why", "analysis.ipynb", "nothing like it"), 2, "there is no cell 'nothing like it'"),
        (("why", "99"), 2, "there is no cell '[99]'"),
        (("rapport",), 2, "invalid choice"),
        ((), 2, "VERB"),
    ],
)
def test_a_mistake_is_one_line(past: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    Path("other.ipynb").write_text("{}")
    message = told(incnb(*arguments), status)
    assert words in message.splitlines()[-1]
    assert len([line for line in message.splitlines() if line.startswith("incnb")]) == 1


def test_an_empty_store_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    assert told(incnb("report", INCNB_STORE=str(empty)), 1) == f"incnb: nothing is recorded in {empty}\n"
    assert not empty.exists()
    file = tmp_path / "file"
    file.write_text("")
    for verb in ("report", "stats"):
        message = told(incnb(verb, INCNB_STORE=str(file)), 1)
        assert "is not a folder" in message and message.count("\n") == 1


def test_what_the_log_holds_need_not_be_what_is_expected(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    strange = [
        {"type": "run", "session": "s", "notebook": "n.ipynb", "status": "dreamt", "time": "late", "index": "x"},
        {"type": "run", "session": "s", "notebook": "n.ipynb", "status": "failed", "title": "\x1b[31mred", "code": "zz",
         "relied": [[1], ["code", "f", "00"]], "items": {"executed": "3", "reused": 2}, "seconds": 5, "reasons": 7},
        {"type": "run", "notebook": 5, "trace": "../../etc", "trace_code": "..", "status": "reused", "time": 1},
    ]  # fmt: skip
    (log / "host-1-1.jsonl").write_text("".join(json.dumps(record) + "\n" for record in strange))
    text = told(incnb("report", "n.ipynb", INCNB_STORE=str(tmp_path)))
    assert "\\x1b[31mred" in text and "\x1b" not in text and "2 items: 2 reused" in text
    for arguments in (("report", "--json"), ("report", "--html", "-"), ("why", "n.ipynb"), ("why",), ("stats",)):
        told(incnb(*arguments, INCNB_STORE=str(tmp_path)))


def test_help_version_and_the_other_door() -> None:
    assert told(incnb("--version")) == f"incnb {package.__version__}\n"
    text = told(incnb("--help"))
    assert all(verb in text for verb in ("report", "why", "stats", "INCNB_STORE"))
    assert "--html FILE" in told(incnb("report", "--help"))


def test_a_reader_that_has_seen_enough_is_no_error(past: Path) -> None:
    command = f"{sys.executable} -m incnb report --html - | head -c 1"
    env = {**os.environ, "PYTHONPATH": HOME}
    done = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "<" and done.stderr == ""


def test_a_terminal_that_cannot_show_the_signs_is_no_error(past: Path) -> None:
    assert "\\u2702 cutoff" in told(incnb("report", PYTHONIOENCODING="ascii"))


def test_the_command_needs_no_ipython(past: Path) -> None:
    code = (
        "import sys, incnb.batch.command as command\n"
        "command.main(['report', '--html', 'x.html'])\n"
        "found = [m for m in ('IPython', 'ipykernel', 'numpy', 'pandas') if m in sys.modules]\n"
        "assert not found, found"
    )
    env = {**os.environ, "PYTHONPATH": HOME}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_output_that_takes_nothing_is_one_line(past: Path) -> None:
    command = f"{sys.executable} -m incnb"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([HOME, os.environ.get("PYTHONPATH", "")])}
    for rest in ("report >&-", "why >&-", "report > /dev/full", "report --json > /dev/full"):
        done = subprocess.run(f"{command} {rest}", shell=True, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.startswith("incnb: standard output "), (rest, done.stderr)
        assert done.stderr.count("\n") == 1, done.stderr
    rest = "report --html why.html >&-"
    done = subprocess.run(f"{command} {rest}", shell=True, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and Path("why.html").exists(), done.stderr


STRANGE = [1e300, -1e300, float("inf"), float("nan"), 10**400, "soon", True, None, [], [1], {}, {"a": [1]}]
FIELDS = "time id title name status session notebook index n seq bytes saved seconds items reasons relied code trace"


@pytest.mark.parametrize("field", [*FIELDS.split(), "trace_code", "seconds.execute", "items.executed", "reasons.0"])
def test_a_log_with_strange_fields_is_told(
    past: Path, field: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from incnb.batch.command import main
    from incnb.store import Store

    log = max((Store().root / "log").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for value in STRANGE:
        for record in records:
            if record.get("type") == "run":
                name, _, inner = field.partition(".")
                record[name] = ({"executed": 1, inner: value} if inner != "0" else [value]) if inner else value
        log.write_text("".join(json.dumps(record) + "\n" for record in records))
        for command in (["report"], ["report", "--json"], ["report", "--html", "-"], ["why"], ["why", "1"], ["stats"]):
            assert main(command) in (0, 1, 2)
            assert main([*command[:1], str(past), *command[1:]] if command[0] != "stats" else command) in (0, 1, 2)
    capsys.readouterr()


def test_a_log_that_may_not_be_read_is_not_called_empty(
    past: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from incnb.batch.command import main
    from incnb.store import Store, files

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    whole = Path.open
    monkeypatch.setattr(files, "read_limited", refuse)
    monkeypatch.setattr(Path, "open", lambda p, *a, **k: (refuse if p.suffix == ".jsonl" else whole)(p, *a, **k))
    assert Store().history() == []
    assert main(["report"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("incnb: the log cannot be read: ") and "Permission denied" in told
    assert told.count("\n") == 1


def test_empty_arguments_are_named(past: Path) -> None:
    assert told(incnb("report", ""), 2).startswith("incnb: NOTEBOOK is empty")
    assert told(incnb("report", "--html", ""), 2).startswith("incnb: --html needs the name of a file")


def test_why_without_a_notebook_is_of_the_latest_session(past: Path) -> None:
    assert told(incnb("why")) == told(incnb("why", past))
    assert told(incnb("why", "3")) == told(incnb("why", past, "3")) == told(incnb("why", past, "[3]"))
    assert "[CELL ...]" in told(incnb("why", "--help"))


def test_a_session_without_a_name_is_found_without_one(
    past: Path, shells: Callable[[], Shell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME")
    shell = shells()
    shell.cell("n = 1", "--name nameless")
    shell.close()
    other = Path("other.ipynb")
    other.write_text("{}")
    line = told(incnb("report", other), 1)
    assert "nothing is recorded of other.ipynb" in line and "without NOTEBOOK" in line and "nbconvert" in line
    assert told(incnb("report")).startswith("(a notebook without a name) · ")
    assert told(incnb("why", "1")).startswith("nameless")
