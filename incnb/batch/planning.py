"""`incnb plan`: what would run if a notebook ran now, and why; without a kernel, and without running anything."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incnb.batch.terminal import NO_ANSWER, Mistake, show, tell

if TYPE_CHECKING:
    from incnb.batch.command import Verb
    from incnb.batch.notebook_file import NotebookFile
    from incnb.engine.foreseen import Foreseen
    from incnb.explain.plan import Plan

_PLAN = """
What each cell would do if `incnb run NOTEBOOK` ran now, every cell tracked in a new kernel, and why. Nothing is run and
no kernel is started: code, files, packages, variables of the environment and parameters are compared as they are now.
Where a value can only be known by running, the answer is `?` with what it depends on.

  incnb plan analysis.ipynb
  incnb plan analysis.ipynb -p alpha 0.7
  incnb plan analysis.ipynb --json | jq '.cells[] | select(.reuse != true) | .title'
"""


def add(verb: Verb) -> None:
    """Register the verb."""
    plan = verb("plan", _plan, "what would run if a notebook ran now, and why", _PLAN)
    plan.add_argument("notebook", metavar="NOTEBOOK", help="path of a notebook")
    plan.add_argument(
        *("-p", "--parameter"), nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters",
        help="a parameter, as papermill takes it; may be given more than once",
    )  # fmt: skip
    plan.add_argument("--json", action="store_true", help="print JSON instead of text")


def _plan(parsed: argparse.Namespace) -> int:
    from incnb.batch.notebook_file import NotANotebook

    try:
        file = opened(parsed.notebook)
    except NotANotebook as error:
        raise Mistake(str(error)) from None
    found = planned(file, parsed.parameters)
    if parsed.json:
        from json import dumps

        show([dumps({"v": 1, **found.to_dict()}, indent=1)])
    else:
        show([found.text()])
    return 0


def opened(path: str) -> NotebookFile:
    """A notebook of any format. Raises `NotANotebook`."""
    from incnb.batch.notebook_file import NotANotebook, OldFormat, parse, read

    try:
        return read(path)
    except OldFormat:
        from json import dumps

        import nbformat

        convert: Any = nbformat.read
        full = Path(path).absolute()
        try:
            data = convert(full, as_version=4)
        except Exception as error:  # of validation there are many kinds
            raise NotANotebook(f"{path} cannot be converted: {error}") from None
        return parse(full, dumps(data).encode())


def planned(file: NotebookFile, parameters: Sequence[Sequence[str]] = ()) -> Plan:
    """What would become of the cells of a notebook. Raises `Mistake` where the log cannot be read."""
    from incnb.batch.asking import runs_of
    from incnb.batch.cell_texts import read_cells, tree_of
    from incnb.batch.notebooks import matching
    from incnb.engine.foreseen import Foresight
    from incnb.engine.history import History
    from incnb.engine.makers import Sessions
    from incnb.engine.recorded import latest
    from incnb.engine.shadow import Shadow
    from incnb.engine.turns import is_quiet
    from incnb.engine.world import World
    from incnb.explain.plan import FILE, Plan
    from incnb.store import Store

    cells = _with(file, parameters).cells
    store = Store()
    runs = runs_of(store)
    names = matching(str(file.path), sorted({str(run.get("notebook", "")) for run in runs} - {""}))
    session = latest(runs, names) if names else None
    history = History(store)
    with as_in_kernel(file.path.parent):
        found = read_cells(cells)
    _number(found, session.cells if session is not None else [])
    quiet: dict[str, int] = {}
    idle = 0
    for cell in found:
        quiet.setdefault(cell.code, idle)
        idle += cell.options is None and is_quiet(cell.tree)
    leading = next((i for i, cell in enumerate(found) if cell.options is not None), 0)
    leading = leading if all(is_quiet(cell.tree) for cell in found[:leading]) else 0
    trees = {cell.code: cell.tree for cell in found}
    alien = _alien(file.kernel or "python3")
    with as_in_kernel(file.path.parent), Shadow() as shadow:
        world = World(shadow, Sessions(store, history, names, trees, quiet, leading, tree_of))
        notebook = session.notebook if session is not None else str(file.path)
        outlooks = Foresight(store, history, notebook, world, alien=alien).go(found)
    others = sum(cell.options is None and not is_quiet(cell.tree) for cell in found)
    return Plan(tuple(outlooks), str(file.path), FILE, (), others)


def _with(file: NotebookFile, parameters: Sequence[Sequence[str]]) -> NotebookFile:
    """The notebook as it runs with these parameters. Raises `Mistake`."""
    if not parameters:
        return file
    from json import dumps

    from incnb.batch.notebook_file import parse
    from incnb.batch.parameters import ParameterError, inject, read

    try:
        values = read(parameters)
    except ParameterError as error:
        raise Mistake(str(error)) from None
    for line in inject(file.data, values):
        tell(f"incnb: {line}")
    return parse(file.path, dumps(file.data).encode())


def _number(cells: list[Foreseen], known: list[Any]) -> None:
    """Give cells the numbers that they had in the latest session."""
    by_id = {cell.id: cell.number for cell in known if cell.id}
    by_title = {cell.title: cell.number for cell in known}
    for cell in cells:
        cell.number = by_id.get(cell.id) if cell.id in by_id else by_title.get(cell.title)


def _alien(kernel: str) -> str:
    """Why nothing can be told of the kernel that would run the notebook: it is not of this interpreter."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        raise Mistake(
            f"the kernel {kernel} of the notebook is not installed: jupyter kernelspec list shows those that are"
        ) from None
    interpreter = spec.argv[0] if spec.argv else ""
    if spec.language.lower() != "python":
        return f"its kernel {kernel} is not one of Python: nothing of it is tracked"
    if interpreter in ("python", "python3", sys.executable) or _same(interpreter):
        return ""
    return f"its kernel {kernel} is another Python ({interpreter}), whose packages cannot be told from here"


def _same(interpreter: str) -> bool:
    try:
        return os.path.samefile(interpreter, sys.executable) and os.path.dirname(
            os.path.abspath(interpreter)
        ) == os.path.dirname(os.path.abspath(sys.executable))
    except OSError:
        return False


@contextmanager
def as_in_kernel(folder: Path) -> Iterator[None]:
    """Be in the notebook's folder, and look for modules as a kernel there would."""
    import importlib

    path, before = list(sys.path), os.getcwd()
    first = path[0] if path else None
    script = os.path.dirname(os.path.realpath(sys.argv[0])) if sys.argv and sys.argv[0] else ""
    rest = path[1:] if first is not None and (first == "" or os.path.realpath(first) in (before, script)) else path
    try:
        os.chdir(folder)
    except OSError as error:
        raise Mistake(f"{folder} cannot be entered: {error.strerror}", NO_ANSWER) from None
    sys.path[:] = ["", *rest]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(before)
