"""What `incnb run` means by its words, before any kernel starts: notebooks, files to write, parameters, mistakes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from runs import Runs, run

from incnb.batch import parameters
from incnb.batch.targets import targets
from incnb.batch.terminal import Mistake
from incnb.batch.writing import join_streams, write

__all__ = ["run"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.ipynb", "b.ipynb", "deep/a.ipynb", "deep/.ipynb_checkpoints/a-checkpoint.ipynb"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}")
    return tmp_path


def written(*given: str, out: str | None = None, inplace: bool = False) -> list[str]:
    found, _ = targets(given, out, inplace=inplace)
    return [os.path.relpath(one.written) for one in found]


def test_each_notebook_is_written_beside_itself_in_place_or_where_the_person_says(folder: Path) -> None:
    assert written("a.ipynb", "deep/a.ipynb") == ["a.out.ipynb", "deep/a.out.ipynb"]
    assert written("a.ipynb", inplace=True) == ["a.ipynb"]
    assert written("a.ipynb", out="done.ipynb") == ["done.ipynb"]
    assert written("a.ipynb", out="deep") == ["deep/a.ipynb"]
    assert written("a.ipynb", "b.ipynb", out="new/built") == ["new/built/a.ipynb", "new/built/b.ipynb"]
    assert written("a.ipynb", out="one/") == ["one/a.ipynb"]


def test_a_notebook_named_twice_runs_once(folder: Path) -> None:
    assert written("a.ipynb", "./a.ipynb", "*.ipynb") == ["a.out.ipynb", "b.out.ipynb"]


def test_a_pattern_in_quotes_goes_into_folders_and_leaves_checkpoints_out(folder: Path) -> None:
    assert written("**/*.ipynb") == ["a.out.ipynb", "b.out.ipynb", "deep/a.out.ipynb"]


def test_what_a_run_has_written_is_no_source_of_the_next(folder: Path) -> None:
    Path("a.out.ipynb").write_text("{}")
    Path("alone.out.ipynb").write_text("{}")
    found, told = targets(["a.ipynb", "a.out.ipynb", "alone.out.ipynb"], None, inplace=True)
    assert [one.shown for one in found] == ["a.ipynb", "alone.out.ipynb"]
    assert told == ["a.out.ipynb is left out: it is what a.ipynb was written to"]
    assert written("a.out.ipynb") == ["a.out.out.ipynb"]  # a person who names it alone means it


@pytest.mark.parametrize(
    ("given", "out", "told"),
    [
        (["a.ipynb", "deep/a.ipynb"], "deep/new/", "would both be written to"),
        (["a.ipynb"], "a.ipynb", "say --inplace"),
        (["a.ipynb", "b.ipynb"], ".", "say --inplace"),
        (["a.ipynb"], "b.ipynb/x.ipynb", "there is no folder"),
        (["a.ipynb", "b.ipynb"], "x.ipynb", "must be a folder"),
        (["nope.ipynb"], None, "there is no notebook nope.ipynb"),
        (["deep"], None, "deep is a folder; name the notebooks in it"),
        (["no*.ipynb"], None, "no notebook matches no*.ipynb"),
        (["a.ipynb"], "", "-o needs"),
    ],
)
def test_what_would_overwrite_or_is_not_there_is_refused_before_anything_runs(
    folder: Path, given: list[str], out: str | None, told: str
) -> None:
    with pytest.raises(Mistake, match=told.replace("*", r"\*")):
        targets(given, out, inplace=False)


def test_a_link_to_a_notebook_is_the_same_notebook(folder: Path) -> None:
    Path("link.ipynb").symlink_to("a.ipynb")
    with pytest.raises(Mistake, match="say --inplace"):
        targets(["a.ipynb"], "link.ipynb", inplace=False)


# -- files


def test_a_file_is_replaced_whole_with_its_permissions_and_through_links(tmp_path: Path) -> None:
    file, link = tmp_path / "a.ipynb", tmp_path / "link.ipynb"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write(link, "new")
    assert file.read_text() == "new" and link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ipynb", "link.ipynb"]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.ipynb"
    file.write_text("old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Mistake, match=r"a\.ipynb cannot be written: No space left on device"):
        write(file, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"] and file.read_text() == "old"


def test_what_was_printed_in_pieces_is_one_output() -> None:
    def stream(name: str, text: str) -> dict[str, Any]:
        return {"output_type": "stream", "name": name, "text": text}

    shown = {"output_type": "display_data", "data": {}, "metadata": {}}
    pieces = [stream("stdout", "1\r"), stream("stdout", "2\n"), stream("stderr", "x"), shown, stream("stderr", "y")]
    cells = [{"outputs": pieces}, {"outputs": []}, {}]
    join_streams(cells)
    assert cells == [{"outputs": [stream("stdout", "1\r2\n"), *pieces[2:]]}, {"outputs": []}, {}]


# -- parameters


def cells(*tagged: tuple[str, str], minor: int = 5) -> dict[str, Any]:
    made = [{"cell_type": "code", "metadata": {"tags": [tag] if tag else []}, "source": text} for tag, text in tagged]
    return {"nbformat": 4, "nbformat_minor": minor, "cells": made}


def test_values_are_typed_as_papermill_types_them() -> None:
    from papermill.cli import _resolve_type

    texts = ["True", "False", "None", "3", "-3", "1_000", "1e-3", "nan", "-inf", "true", "", "2026-01-01", "0x10"]
    assert [repr(parameters.typed(text)) for text in texts] == [repr(_resolve_type(text)) for text in texts]


def test_the_cell_reads_as_papermill_writes_it() -> None:
    from papermill.translators import PythonTranslator

    values: dict[str, parameters.Value] = {
        "a": 1, "b": 0.5, "c": None, "d": True, "e": 'say "hi"\n\\ü', "f": float("inf"), "g": float("-inf")
    }  # fmt: skip
    assert parameters.source(values) == super(PythonTranslator, PythonTranslator).codify(values)
    names: dict[str, Any] = {}
    exec(parameters.source(values), names)
    assert {name: names[name] for name in values} == values


@pytest.mark.parametrize(
    ("before", "place", "told"),
    [
        ([("", "x"), ("parameters", "n = 1"), ("", "y")], 2, []),
        ([("parameters", "n: int = 1"), ("", "y"), ("injected-parameters", "n = 2")], 2, []),
        ([("", "x")], 0, ["no cell is tagged 'parameters'; the parameters stand first", "unknown parameter: n"]),
        ([("parameters", "m = 1\nif n == 1: pass")], 1, ["unknown parameter: n"]),
    ],
)
def test_parameters_are_injected_below_the_defaults_or_replaced(
    before: list[tuple[str, str]], place: int, told: list[str]
) -> None:
    notebook = cells(*before)
    assert parameters.inject(notebook, {"n": 3}) == told
    assert notebook["cells"][place]["source"] == "# Parameters\nn = 3\n"
    assert notebook["cells"][place]["id"] == "injected-parameters"
    assert sum(cell["metadata"]["tags"] == ["injected-parameters"] for cell in notebook["cells"]) == 1


def test_a_notebook_of_before_cell_ids_gets_none() -> None:
    notebook = cells(("parameters", "n = 1"), minor=4)
    parameters.inject(notebook, {"n": 3})
    assert "id" not in notebook["cells"][1]


# -- mistakes


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["nope.ipynb"], 2, "there is no notebook nope.ipynb"),
        (["text.ipynb"], 2, "is not a notebook"),
        (["list.ipynb"], 2, "is not a notebook"),
        (["."], 2, "is a folder"),
        (["a.ipynb", "--allow", "foo"], 2, "--allow does not know 'foo'"),
        (["a.ipynb", "--verify=2"], 2, "'2' is no fraction between 0 and 1"),
        (["a.ipynb", "--jobs", "0"], 2, "no number of notebooks"),
        (["a.ipynb", "--timeout", "soon"], 2, "'soon' is no number"),
        (["a.ipynb", "-p", "1x", "3"], 2, "'1x' is no name"),
        (["a.ipynb", "-o", "x", "--inplace"], 2, "not allowed with"),
        (["a.ipynb", "--what"], 2, "unrecognized arguments: --what"),
        (["a.ipynb", "--html", "no/where.html"], 1, "there is no folder"),
        (["a.ipynb", "-o", "no/where.ipynb"], 1, "there is no folder"),
        (["julia.ipynb", "-p", "n", "3"], 2, "parameters can be given to notebooks of Python only"),
        ([], 2, "the following arguments are required: NB"),
    ],
)
def test_a_mistake_is_one_line(run: Runs, words: list[str], status: int, told: str) -> None:
    run.notebook("a.ipynb", "1")
    run.notebook("julia.ipynb", "1", kernelspec={"name": "julia", "language": "julia", "display_name": "Julia"})
    Path("text.ipynb").write_text("hello")
    Path("list.ipynb").write_text(json.dumps([1]))
    done = run(*words)
    assert (done.status, done.err.count("\n")) == (status, 1) and told in done.err
    assert not done.out and not list(Path().glob("*.out.ipynb"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_folder_that_may_not_be_written_is_told_before_anything_runs(run: Runs) -> None:
    run.notebook("a.ipynb", "1")
    Path("locked").mkdir(mode=0o500)
    done = run("a.ipynb", "-o", "locked/a.ipynb")
    assert done.status == 1 and "you may not write into" in done.err
