"""What is watched, what is run again and what is not: real files, real kernels, processes of their own."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel import Kernel
from watched import BOUND, Place, until

from incnb.batch import command
from incnb.batch.relied import relied
from incnb.batch.watching import NEEDS, Watcher
from incnb.engine.history import History
from incnb.store import Store

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc")

READS = "text = open('data.txt').read()"
Changes = list[str]


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Callable[..., tuple[Place, Watcher, Changes]]]:
    """A notebook that ran once, and a watcher that looks when it is told to."""
    watchers: list[Watcher] = []

    def make(*cells: str, live: bool = False, **files: str) -> tuple[Place, Watcher, Changes]:
        place = Place(tmp_path, *cells)
        for name, text in files.items():
            place.file(name.replace("__", "/").replace("_", "."), text)
        place.run()
        changes: Changes = []
        watcher = Watcher([place.path], Store(place.store), lambda notebook, what: changes.append(what))
        watchers.append(watcher)
        watcher.start(watch=live)
        assert changes == []
        return place, watcher, changes

    yield make
    for watcher in watchers:
        watcher.stop()


Seen = Callable[..., tuple[Place, Watcher, Changes]]

# -- what counts as a change


@pytest.mark.kernel
def test_each_thing_that_was_relied_on_counts_and_nothing_else_does(seen: Seen) -> None:
    place, watcher, changes = seen(
        "import glob, helper, incnb",
        READS,
        "parts = [open(name).read() for name in sorted(glob.glob('parts/*.csv'))]",
        "n = helper.double(len(text))",
        "lines = []\nfor line in incnb.source('events.jsonl', mode='append'):\n    lines.append(line)",
        data_txt="one",
        helper_py="import deeper\ndef double(n): return deeper.twice(n)\n",
        deeper_py="def twice(n): return 2 * n\n",
        events_jsonl="{}\n",
        parts__a_csv="1",
    )

    def now() -> Changes:
        watcher.look()
        told, changes[:] = sorted(changes), []
        return told

    (place.folder / "data.txt").touch()
    place.file("data.txt", "one")
    place.file("unread.txt", "x")
    assert now() == []  # touched, written again with the same content, read by nobody
    place.file("data.txt", "two")
    assert now() == ["data.txt changed"] and now() == []
    place.file("parts/b.csv", "2")
    assert now() == ["glob of parts/*.csv changed"]
    place.file("parts/a.csv", "3")
    assert now() == ["parts/a.csv changed"]
    place.file("helper.py", "import deeper\ndef double(n): return deeper.twice(n) + 0\n")
    assert now() == ["helper.py changed"]
    place.file("deeper.py", "def twice(n): return n + n\n")
    assert now() == ["deeper.py changed"]
    with (place.folder / "events.jsonl").open("a") as lines:
        lines.write("half a line")
    assert now() == []
    with (place.folder / "events.jsonl").open("a") as lines:
        lines.write("\n")
    assert now() == ["events.jsonl changed"]


@pytest.mark.kernel
def test_the_notebook_counts_by_its_code_cells(seen: Seen) -> None:
    place, watcher, changes = seen("a = 1", "b = 2")
    place.notebook.cells[0].outputs = []
    place.notebook.cells[0].execution_count = 7
    place.notebook.cells.append(__import__("nbformat").v4.new_markdown_cell("words"))
    __import__("nbformat").write(place.notebook, place.path)
    watcher.look()
    assert changes == []
    place.path.write_text(place.path.read_text()[:20])  # while it is being saved
    watcher.look()
    assert changes == []
    place.write("a = 1", "b = 3")
    watcher.look()
    assert changes == ["its code cells changed"]


@pytest.mark.kernel
def test_a_change_is_noticed_when_the_system_tells(seen: Seen) -> None:
    place, watcher, changes = seen(READS, live=True, data_txt="one")
    until(lambda: watcher._watched)
    place.file("data.txt", "two")
    until(lambda: changes == ["data.txt changed"], 10)
    (place.folder / "other.txt").write_text("three")
    (place.folder / "other.txt").replace(place.folder / "data.txt")  # as editors save
    until(lambda: len(changes) == 2, 10)


@pytest.mark.kernel
def test_what_changed_while_nobody_watched_is_found(seen: Seen) -> None:
    place, _, _ = seen(READS, data_txt="one")
    place.file("data.txt", "two")
    for expected in (["data.txt changed"], []):  # and it is counted once
        changes: Changes = []
        later = Watcher([place.path], Store(place.store), lambda notebook, what, to=changes: to.append(what))
        later.start(watch=False)
        assert changes == expected


@pytest.mark.kernel
def test_a_database_counts_with_what_is_in_its_log(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    base = tmp_path / "shop" / "shop.db"
    with sqlite3.connect(base) as made:
        made.execute("create table t (n)")
        made.execute("pragma journal_mode=wal")
    made.close()
    _, watcher, changes = seen(
        f"import sqlite3\nwith sqlite3.connect({str(base)!r}) as db:\n    n = db.execute('select * from t').fetchall()"
    )
    assert str(base) in watcher.status()[next(iter(watcher.notebooks))]["things"]
    with sqlite3.connect(base) as db:
        db.execute("insert into t values (1)")
        db.commit()
        before = base.read_bytes()
        watcher.look()
        assert base.read_bytes() == before and [change.endswith("changed") for change in changes] == [True]
    db.close()


@pytest.mark.kernel
def test_what_disappears_marks_its_readers_once(seen: Seen) -> None:
    place, watcher, changes = seen(READS, "other = 1", data_txt="one")
    (place.folder / "data.txt").unlink()
    watcher.look()
    watcher.look()
    assert changes == ["data.txt is gone"]
    marks = History(Store(place.store)).marks(str(place.path))
    assert [(mark["title"], mark["mode"], mark["reason"]) for mark in marks] == [(READS, "soft", "data.txt is gone")]
    (known,) = watcher.status().values()
    assert known["gone"] == {"data.txt": f"its readers were marked: {READS}"}
    place.file("data.txt", "one")
    watcher.look()
    (known,) = watcher.status().values()
    assert known["gone"] == {}


@pytest.mark.kernel
def test_a_source_that_only_the_notebook_can_ask_is_said(seen: Seen) -> None:
    _, watcher, _ = seen(
        "import incnb\nclass Rows:\n    durable = True\n    def identity(self): return 'rows of mine'\n"
        "    def state(self): return b'1'\n    def read(self, cursor): yield 1, b'1'",
        "out = []\nfor row in incnb.source(Rows()):\n    out.append(row)",
    )
    (known,) = watcher.status().values()
    assert known["unwatchable"] == ["rows of mine (only the notebook can ask this source)"]


# -- what may be run


def refusal(place: Place, *allow: str) -> str:
    return relied(Store(place.store), place.path).refusal(allow)


@pytest.mark.kernel
def test_a_notebook_that_wrote_a_file_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, "n = 1", "open('out.txt', 'w').write('x')")
    place.run()
    assert refusal(place) == "cell \"open('out.txt', 'w').write('x')\" wrote out.txt (--allow files)"
    assert refusal(place, "files") == ""
    (place.folder / "out.txt").unlink()
    before = place.listing()
    done = place.watch("--once", "--changes", "0", "--days", "0", "--min-changes", "0")
    assert done.returncode == 1 and "not run: cell" in done.stdout and "wrote out.txt" in done.stdout
    assert place.listing() == before


@pytest.mark.kernel
@pytest.mark.thorough
def test_a_notebook_that_had_an_effect_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, "import subprocess\nsubprocess.run(['true'])")
    place.run()
    told = refusal(place)
    assert told.startswith("cell 'import subprocess' started a process") and told.endswith("(--allow subprocess)")
    assert refusal(place, "network") == told and refusal(place, "subprocess") == ""
    place.write("import subprocess\nn = 1")
    place.run()
    assert refusal(place) == ""  # its last run is what counts


@pytest.mark.kernel
def test_a_cell_that_was_never_seen_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, "n = 1")
    done = place.watch("--once", "--days", "0", "--changes", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")  # never done is not old
    place.run()
    place.write("n = 1", "import shutil\nshutil.rmtree('elsewhere')")
    done = place.watch("--once", "--changes", "1")
    assert "not run: cell 'import shutil' never ran with incnb looking on" in done.stdout


@pytest.mark.kernel
def test_a_file_that_an_unrecorded_cell_wrote_is_known(tmp_path: Path) -> None:
    place = Place(tmp_path, "endless = iter(int, 1)\nopen('out.txt', 'w').write('x')")
    place.run()
    assert "wrote" in refusal(place) and "out.txt (--allow files)" in refusal(place) and refusal(place, "files") == ""


# -- the job


@pytest.mark.kernel
def test_the_next_run_is_a_hit_and_nothing_lies_beside_the_notebook(tmp_path: Path) -> None:
    place = Place(tmp_path, "import time", READS, "n = len(text)\nprint(n)")
    place.file("data.txt", "one")
    assert place.run() == ["executed"] * 3
    place.file("data.txt", "three")
    before = place.listing()
    done = place.watch("--once", "--changes", "1")
    assert done.returncode == 0 and "a.ipynb: 1 still good, 2 ran in " in done.stdout, done.stdout + done.stderr
    assert place.listing() == before
    assert place.run() == ["reused"] * 3
    assert place.watch("--once", "--changes", "1").stdout == ""  # and there is nothing more to do


@pytest.mark.kernel
def test_a_watch_goes_on_and_ends_with_a_ctrl_c(tmp_path: Path) -> None:
    place = Place(tmp_path, READS)
    place.file("data.txt", "one")
    place.run()
    process = place.start("--changes", "1")
    try:
        assert process.stdout is not None
        for text in ("two", "three"):
            until(lambda: (place.store / "refresher").exists() and len(place.processes()) == 1)
            place.file("data.txt", text)
            assert "1 ran in" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND) == 130 and process.stdout.read() == ""
    finally:
        process.kill()
    assert place.run() == ["reused"]
    assert until(lambda: not place.processes())


SLOW = "import time\nfor _ in range(600):\n    time.sleep(0.1)\ntext = open('data.txt').read()"


@pytest.fixture
def slow(tmp_path: Path) -> Place:
    """A notebook that was quick, and takes a minute when it runs again."""
    place = Place(tmp_path, SLOW.replace("600", "int(open('long.txt').read())"))
    place.file("data.txt", "one")
    place.file("long.txt", "0")
    place.run()
    return place


@pytest.mark.kernel
@pytest.mark.parametrize(
    "how, status",
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 0, marks=pytest.mark.thorough), (signal.SIGKILL, -9)],
)
def test_no_process_is_left_of_a_watch_that_ends_in_the_middle(slow: Place, how: signal.Signals, status: int) -> None:
    slow.file("long.txt", "600")
    process = slow.start("--changes", "1")
    try:
        until(lambda: len(slow.processes()) >= 3)  # the watch, the run, its kernel
        process.send_signal(how)
        assert process.wait(BOUND) == status
        until(lambda: not slow.processes(), 20)
    finally:
        process.kill()


@pytest.mark.kernel
@pytest.mark.thorough
def test_a_cell_that_fails_is_told_and_is_not_tried_again_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, READS, "n = int(text)")
    place.file("data.txt", "1")
    place.run()
    place.file("data.txt", "one")
    done = place.watch("--once", "--changes", "1")
    assert done.returncode == 1 and "1 ran, 1 failed in" in done.stdout and "ValueError" in done.stdout
    assert place.watch("--once", "--changes", "1").stdout == ""
    place.file("data.txt", "2")
    assert place.run() == ["executed"] * 2  # a run by the person ends that
    place.file("data.txt", "3")
    assert "2 ran in" in place.watch("--once", "--changes", "1").stdout


@pytest.mark.kernel
def test_a_run_by_the_refresher_and_one_by_the_person_at_once_are_both_right(tmp_path: Path) -> None:
    place = Place(tmp_path, READS, "n = len(text)", "squares = []\nfor i in range(20):\n    squares.append(i * n)")
    place.file("data.txt", "one")
    place.run()
    place.file("data.txt", "three")
    person: list[list[str]] = []
    thread = threading.Thread(target=lambda: person.append(place.run()))
    thread.start()
    done = place.watch("--once", "--changes", "1")
    thread.join(BOUND)
    assert "failed" not in done.stdout and done.returncode == 0, done.stdout
    assert person and set(person[0]) <= {"executed", "reused", "cutoff"}
    code = "%load_ext incnb\n%incremental on"
    with Kernel(env={**place.env, "JPY_SESSION_NAME": str(place.path)}, cwd=place.folder) as kernel:
        kernel.run(code)
        for cell in place.notebook.cells:
            kernel.run(cell.source, metadata={"cellId": cell.id})
        assert kernel.run("n, squares[-1]").result["text/plain"] == "(5, 95)"  # type: ignore[index]
    assert place.run() == ["reused"] * 3


@pytest.mark.kernel
@pytest.mark.thorough
def test_what_a_run_writes_itself_starts_no_other(tmp_path: Path) -> None:
    place = Place(
        tmp_path,
        READS,
        "import time\nopen('out.txt', 'w').write(text + str(time.time()))",
        "back = open('out.txt').read()",
    )
    place.file("data.txt", "one")
    place.run()
    place.file("data.txt", "two")
    process = place.start("--changes", "1", "--allow", "files", "clock")
    try:
        assert process.stdout is not None and "ran in" in process.stdout.readline()
        until(lambda: len(place.processes()) == 1)
        with pytest.raises(AssertionError):
            until(lambda: len(place.processes()) > 1, 2.5)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(BOUND)


# -- the command


@pytest.mark.parametrize(
    "words, says",
    [
        (["nowhere.ipynb"], "there is no notebook nowhere.ipynb"),
        (["data.txt"], "is not a notebook"),
        (["a.ipynb", "--allow", "everything"], "--allow does not know everything; it knows network"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    place = Place(tmp_path)
    place.file("data.txt", "one")
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("INCNB_STORE", str(place.store))
    assert command.main(["watch", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and says in shown.err


def test_without_watchfiles_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, "n = 1")
    monkeypatch.setenv("INCNB_STORE", str(place.store))
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert command.main(["watch", str(place.path)]) == 1
    assert capsys.readouterr().err == f"incnb: {NEEDS}\n"
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


# -- in a kernel


@pytest.fixture
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, Kernel, Callable[[], None]]]:
    place = Place(tmp_path, READS, "n = len(text)\nprint(n)")
    place.file("data.txt", "one")
    with Kernel(env={**place.env, "JPY_SESSION_NAME": str(place.path)}, cwd=place.folder) as running:
        running.run("%load_ext incnb\n%incremental on")

        def cells() -> None:
            for cell in place.notebook.cells:
                running.run(cell.source, metadata={"cellId": cell.id})

        yield place, running, cells
    until(lambda: not place.processes(), 20)


InKernel = tuple[Place, Kernel, Callable[[], None]]


def say(kernel: Kernel, line: str) -> str:
    done = kernel.run(f"%incremental refresher {line}", allow_error=True, metadata={"cellId": "asks"})
    return done.stdout.strip() or done.stderr.strip() or str(done.error and done.error[1])


@pytest.mark.kernel
def test_the_refresher_of_a_kernel_makes_the_next_run_a_hit(kernel: InKernel) -> None:
    place, running, cells = kernel
    cells()
    assert "does not run" in say(running, "status")
    assert say(running, "start --changes 1") == "the refresher watches what a.ipynb relies on, and runs after 1 change"
    assert "runs already" in say(running, "start")
    assert say(running, "wait").startswith("0 changes pending")
    place.file("data.txt", "three")
    assert "last: 2 ran in " in say(running, "wait")
    told = say(running, "status")
    assert "watches: the notebook, data.txt" in told and "runs after 1 change" in told
    cells()
    report = running.run("print([row.status.value for row in __import__('incnb').report().rows])").stdout
    assert report.strip() == "['reused', 'reused']"
    shown = running.run("%incremental panel").displays[0]
    assert "refresher: 0 changes pending · last: 2 ran in " in shown["text/plain"]
    assert "refresher: 0 changes pending" in shown["text/html"]
    assert say(running, "stop") == "the refresher ended"
    assert until(lambda: len(place.processes()) == 1)
    assert say(running, "start --changes 1").startswith("the refresher watches")  # valid after a stop


@pytest.mark.kernel
def test_what_a_person_cannot_mean_is_one_line(kernel: InKernel) -> None:
    _, running, _ = kernel
    for line, says in (
        ("dance", "there is no refresher dance: %incremental refresher start"),
        ("start --changes many", "a number of changes, 0 or more, not 'many'"),
        ("start --allow everything", "--allow does not know everything"),
        ("wait", "the refresher does not run"),
    ):
        told = say(running, line)
        assert says in told and "\n" not in told, told


@pytest.mark.kernel
def test_a_kernel_that_knows_no_notebook_says_so(tmp_path: Path) -> None:
    with Kernel(env={"INCNB_STORE": str(tmp_path), "JPY_SESSION_NAME": None}) as running:
        running.run("%load_ext incnb")
        assert "run `incnb watch NOTEBOOK` in a terminal" in say(running, "start")


@pytest.mark.kernel
@pytest.mark.thorough
def test_a_notebook_that_starts_its_own_refresher_starts_none_in_a_batch_run(tmp_path: Path) -> None:
    place = Place(tmp_path, "%load_ext incnb\n%incremental refresher start --changes 1", READS)
    place.file("data.txt", "one")
    assert place.run() == ["executed"]
    place.file("data.txt", "two")
    assert "1 ran in" in place.watch("--once", "--changes", "1").stdout
    with Kernel(env={**place.env, "JPY_SESSION_NAME": None}, cwd=place.folder) as running:  # as plain nbclient does
        done = running.run(place.notebook.cells[0].source)
        assert done.stdout.startswith("incnb: the refresher needs the path of the notebook")
    assert until(lambda: not place.processes())


@pytest.mark.kernel
@pytest.mark.parametrize("how", ["shutdown", pytest.param("SIGTERM", marks=pytest.mark.thorough), "SIGKILL"])
def test_no_process_is_left_when_the_kernel_ends(slow: Place, how: str) -> None:
    with Kernel(env={**slow.env, "JPY_SESSION_NAME": str(slow.path)}, cwd=slow.folder) as running:
        running.run("%load_ext incnb")
        slow.file("long.txt", "600")
        say(running, "start --changes 1")
        until(lambda: len(slow.processes()) >= 4)  # this kernel, the watch, the run, its kernel
        pid = running.manager.provisioner.pid  # type: ignore[union-attr]
        if how == "shutdown":
            running.client.shutdown()
        else:
            os.kill(pid, getattr(signal, how))
        until(lambda: not slow.processes(), 20)


@pytest.mark.kernel
def test_an_interrupt_of_the_kernel_leaves_the_refresher_alone(kernel: InKernel) -> None:
    _, running, cells = kernel
    cells()
    say(running, "start")
    say(running, "wait")
    running.manager.interrupt_kernel()
    assert say(running, "wait").startswith("0 changes pending")


@pytest.mark.kernel
def test_a_cell_costs_nothing_more_while_the_refresher_runs(kernel: InKernel) -> None:
    _, running, cells = kernel
    cells()
    hooks = "len(get_ipython().events.callbacks['pre_run_cell'] + get_ipython().events.callbacks['post_run_cell'])"
    before: Any = running.run(hooks).result
    say(running, "start")
    say(running, "wait")
    assert running.run(hooks).result == before
