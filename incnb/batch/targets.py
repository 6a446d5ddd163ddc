"""Which notebooks a command line means, and where each is written: settled before anything runs.

    NB                       NAME.out.ipynb beside it
    NB -o FILE               FILE
    NB -o -                  standard output
    NB… -o FOLDER            FOLDER/NAME.ipynb each
    NB… --inplace            the notebook itself

What would overwrite something by accident is refused: two notebooks that would be written to one file, and a notebook
that would replace itself without `--inplace`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from incnb.batch.terminal import NO_ANSWER, Mistake
from incnb.batch.writing import STDOUT, identity, why_not

OUT = ".out.ipynb"
CHECKPOINTS = ".ipynb_checkpoints"


@dataclass(frozen=True, slots=True)
class Target:
    """One notebook and where it goes, both as full paths; `shown` is what the person called it."""

    source: Path
    written: Path
    shown: str


def targets(given: Sequence[str], out: str | None, *, inplace: bool) -> tuple[list[Target], list[str]]:
    """What is to run, and lines about what is left out. Raises `Mistake`."""
    named, told = _named(given)
    found = [Target(_full(name), Path(), name) for name in named]
    if out is not None and inplace:
        raise Mistake("say either -o or --inplace")
    if out == "":
        raise Mistake("-o needs the name of a file or a folder")
    if out == "-" and len(found) > 1:
        raise Mistake(f"-o -: {len(found)} notebooks cannot go to one output; name a folder")
    folder = _folder(out, len(found)) if out not in (None, "-") else None
    placed = [Target(one.source, _placed(one.source, out, folder, inplace=inplace), one.shown) for one in found]
    _refuse(placed, inplace=inplace)
    return placed, told


def _named(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The notebooks, each once; patterns that no shell has expanded are expanded here."""
    names: dict[Path, str] = {}
    for name in given:
        if not name:
            raise Mistake("the name of a notebook is empty")
        for one in _expanded(name):
            names.setdefault(_full(one), one)
    left_out = {path for path in names if path.name.endswith(OUT) and source_of(path) in names}
    told = [f"{names[path]} is left out: it is what {names[source_of(path)]} was written to" for path in left_out]
    return [name for path, name in names.items() if path not in left_out], sorted(told)


def _expanded(name: str) -> list[str]:
    if Path(name).exists() or not glob.has_magic(name):
        return [name]
    found = [one for one in sorted(glob.glob(name, recursive=True)) if CHECKPOINTS not in Path(one).parts]  # noqa: PTH207 - the pattern may be of a full path
    found = [one for one in found if not Path(one).is_dir()]
    if not found:
        raise Mistake(f"no notebook matches {name}")
    return found


def source_of(path: Path) -> Path:
    """The notebook that `NAME.out.ipynb` is written from."""
    return path.with_name(path.name.removesuffix(OUT) + ".ipynb")


def _folder(out: str, several: int) -> Path | None:
    """The folder that `-o` names, made if need be; None: it names a file."""
    path = _full(out)
    if path.is_dir():
        return path
    if several < 2 and not out.endswith(("/", os.sep)):
        return None
    if path.exists() or path.suffix == ".ipynb":
        raise Mistake(f"-o {out} is a file; for {several} notebooks it must be a folder")
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise Mistake(f"the folder {out} cannot be made: {error.strerror or error}", NO_ANSWER) from None
    return path


def _placed(source: Path, out: str | None, folder: Path | None, *, inplace: bool) -> Path:
    if inplace:
        return source
    if out is None:
        return source.with_name(source.name.removesuffix(".ipynb") + OUT)
    if out == "-":
        return STDOUT
    return folder / source.name if folder is not None else _full(out)


def _refuse(placed: Sequence[Target], *, inplace: bool) -> None:
    written: dict[object, Target] = {}
    sources = {identity(one.source): one for one in placed}
    for one in placed:
        if not one.source.exists():
            raise Mistake(f"there is no notebook {one.shown}")
        if one.source.is_dir():
            raise Mistake(f"{one.shown} is a folder; name the notebooks in it, as in {one.shown.rstrip('/')}/*.ipynb")
        if not one.source.is_file():  # to open a pipe is to wait for whoever writes to it
            raise Mistake(f"{one.shown} is no regular file")
        real = identity(one.written)
        if not inplace and real in sources:
            other = sources[real]
            raise Mistake(f"{one.shown} would be written over {other.shown}; say --inplace if that is meant")
        if real in written:
            raise Mistake(f"{written[real].shown} and {one.shown} would both be written to {one.written}")
        written[real] = one
        if against := why_not(one.written):
            raise Mistake(against, NO_ANSWER)


def refuse_one_for_two(placed: Sequence[Target], others: Sequence[tuple[str, str | Path]]) -> None:
    """Raises `Mistake` where another file that is to be written, with the option that names it, is a notebook, or what
    one is written to, or the file of another option."""
    taken: dict[object, str] = {}
    for one in placed:
        taken.setdefault(identity(one.written), f"what {one.shown} is written to")
    taken |= {identity(one.source): f"the notebook {one.shown}" for one in placed}
    for option, file in others:
        if what := taken.get(identity(file)):
            raise Mistake(f"{option} {file} is {what}: name another file")
        taken[identity(file)] = f"what {option} names"


def _full(name: str) -> Path:
    try:
        return Path(name).absolute()
    except (OSError, ValueError) as error:
        raise Mistake(f"{name!r} is no path: {error}") from None
