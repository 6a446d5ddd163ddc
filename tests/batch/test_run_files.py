"""What a run writes to that is no plain file of its own: devices, pipes, files of several names, standard output, and
what is refused because it would destroy a notebook. All devices and pipes are made in the folder of the test."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from runs import Runs, run

from incnb.batch import writing
from incnb.batch.command import main
from incnb.batch.notebook_file import NotANotebook, read
from incnb.batch.targets import targets
from incnb.batch.terminal import Mistake
from incnb.batch.writing import why_not, write

__all__ = ["run"]


def device(path: Path) -> Path:
    """A device of our own that takes everything, or a skip where none may be made."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.open("wb").close()
    except OSError:
        pytest.skip("no device may be made here")
    return path


def follow(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as stopped:
        return int(stopped.code or 0)


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = device(tmp_path / "null")
    assert not why_not(path)
    write(path, "text")
    assert stat.S_ISCHR(path.stat().st_mode)
    link = tmp_path / "link"
    link.symlink_to(path)
    write(link, "text")
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)


def test_a_pipe_gets_all_of_a_text_that_is_larger_than_it(tmp_path: Path) -> None:
    path, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    write(path, "é" * 300_000)
    reader.join(10)
    assert got == [("é" * 300_000).encode()]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_pipe_without_a_name_is_written_to(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    try:
        write(f"/dev/fd/{theirs}", "text")
        assert os.read(ours, 9) == b"text"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_file_of_two_names_keeps_both(tmp_path: Path) -> None:
    path, other = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    path.write_text("a longer text than the new one")
    other.hardlink_to(path)
    write(path, "new")
    assert other.read_text() == path.read_text() == "new"
    assert other.samefile(path)
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_a_file_of_two_names_is_as_it_was_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other, real = tmp_path / "a.ipynb", tmp_path / "b.ipynb", os.ftruncate
    path.write_text("old")
    other.hardlink_to(path)

    def full(handle: int, size: int) -> None:
        monkeypatch.setattr(writing.os, "ftruncate", real)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "ftruncate", full)
    with pytest.raises(Mistake, match="No space left"):
        write(path, "a new text that is longer")
    assert other.read_text() == path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_a_second_name_of_a_notebook_is_the_notebook(run: Runs) -> None:
    path = run.notebook("a.ipynb", "1")
    Path("b.ipynb").hardlink_to(path)
    with pytest.raises(Mistake, match=r"would be written over a\.ipynb; say --inplace"):
        targets(["a.ipynb"], "b.ipynb", inplace=False)
    with pytest.raises(Mistake, match=r"a\.ipynb and b\.ipynb would both be written to"):
        targets(["a.ipynb", "b.ipynb"], None, inplace=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--report", "a.ipynb"], "--report a.ipynb is the notebook a.ipynb"),
        (["--html", "./a.ipynb"], "--html a.ipynb is the notebook a.ipynb"),
        (["--inplace", "--html", "a.ipynb"], "--html a.ipynb is the notebook a.ipynb"),
        (["--report", "link"], "--report link is the notebook a.ipynb"),
        (["--report", "a.out.ipynb"], "--report a.out.ipynb is what a.ipynb is written to"),
        (["-o", "new", "--html", "new"], "--html new is what a.ipynb is written to"),
        (["--report", "same", "--html", "same"], "--html same is what --report names"),
        (["--report", "pages/a.html", "--html", "pages/"], "--html pages/a.html is what --report names"),
        (["--report", "-", "--html", "-"], "--html - is what --report names"),
        (["-o", "-", "--report", "-"], "--report - is what a.ipynb is written to"),
    ],
)
def test_a_report_over_a_notebook_or_another_report_is_refused_before_anything_runs(
    run: Runs, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    path = run.notebook("a.ipynb", "1")
    Path("link").symlink_to(path)
    Path("pages").mkdir()
    before = path.read_bytes()
    assert follow("run", "a.ipynb", *words) == 2
    assert capsys.readouterr().err == f"incnb: {told}: name another file\n"
    assert path.read_bytes() == before
    assert not Path("a.out.ipynb").exists()


@pytest.mark.parametrize("words", [["run", "pipe.ipynb"], ["run", "pipe.ipynb", "--inplace"], ["plan", "pipe.ipynb"]])
def test_a_notebook_that_is_a_pipe_is_one_line(run: Runs, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    os.mkfifo("pipe.ipynb")
    status: list[int] = []
    asked = threading.Thread(target=lambda: status.append(follow(*words)), daemon=True)
    asked.start()
    asked.join(10)
    assert status == [2]
    assert capsys.readouterr().err == "incnb: pipe.ipynb is no regular file\n"
    with pytest.raises(NotANotebook, match="is no regular file"):
        read("pipe.ipynb")


def test_the_executed_notebook_and_the_page_go_to_standard_output(
    run: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    run.notebook("a.ipynb", "print('é')")
    assert follow("run", "a.ipynb", "-o", "-") == 0
    shown: Any = json.loads(capsys.readouterr().out)
    assert shown["cells"][0]["outputs"][0]["text"] == ["é\n"]
    assert follow("run", "a.ipynb", "-o", "b.ipynb", "--html", "-") == 0
    told = capsys.readouterr()
    assert told.out.startswith("<!doctype html>") and told.out.rstrip().endswith("</html>")
    assert not Path("-").exists()
    assert not Path("a.out.ipynb").exists()


def test_two_notebooks_cannot_go_to_one_output(run: Runs) -> None:
    run.notebook("a.ipynb", "1")
    run.notebook("b.ipynb", "1")
    with pytest.raises(Mistake, match="2 notebooks cannot go to one output"):
        targets(["a.ipynb", "b.ipynb"], "-", inplace=False)


def test_a_store_that_cannot_be_made_is_one_line(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run.notebook("a.ipynb", "x = 1", "x")
    Path("file").touch()
    monkeypatch.setenv("INCNB_STORE", "file/store")
    done = run("a.ipynb")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith("incnb: nothing of a.ipynb was saved: the store cannot be used: Not a directory")
    assert done.err.count("\n") == 1
