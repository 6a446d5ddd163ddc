"""The verb `incnb run`: what a person may say, and the order in which things are checked, run, written and told."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from incnb.batch import telling
from incnb.batch.many import follow
from incnb.batch.orders import Orders
from incnb.batch.parameters import ParameterError, Value, read
from incnb.batch.run import Outcome, Running, execute
from incnb.batch.targets import Target, refuse_one_for_two, targets
from incnb.batch.terminal import NO_ANSWER, Mistake, show, tell
from incnb.batch.writing import STDOUT, write

if TYPE_CHECKING:
    from incnb.batch.command import Verb

_MORE = """
Executes notebooks from beginning to end, as `jupyter nbconvert --execute` does, and reuses every cell of which nothing
it relied on has changed. The notebook needs no edit and is not changed: the executed one is written to NAME.out.ipynb
beside it. Nothing is written when a cell fails; the traceback of the cell goes to standard error.

  incnb run analysis.ipynb                     writes analysis.out.ipynb
  incnb run analysis.ipynb --inplace           writes analysis.ipynb itself
  incnb run analysis.ipynb -o done.ipynb       writes done.ipynb
  incnb run docs/*.ipynb -o built --jobs 2     writes built/NAME.ipynb, two notebooks at a time
  incnb run 'docs/**/*.ipynb' --report r.json  a pattern in quotes is followed into folders
  incnb run report.ipynb -p year 2026          only what reads `year` runs again
  incnb run analysis.ipynb --allow network     cells that download may be reused too
  incnb run analysis.ipynb --verify=0.1        execute a tenth of what could be reused, and compare
  incnb run analysis.ipynb --force             execute everything, and record it anew

On a terminal a line tells how far it is, and a summary what ran and why. Without one there are only errors and, for
several notebooks, one table.
"""
_EPILOG = """
Status: 0 all is done; 1 a notebook failed, or --verify found a difference; 2 something is not there (a notebook, its
kernel, an option); 130 interrupted. What a cell may say itself (%%incremental OPTIONS) counts more than what is said
here, and this more than what the notebook says for all cells (%incremental on OPTIONS).
The store is INCNB_STORE, or the user's cache folder.
"""


def add(verb: Verb) -> None:
    """Register the verb."""
    run = verb("run", follow_command, "execute notebooks, reusing what is unchanged", _MORE, _EPILOG)
    run.add_argument("notebooks", nargs="+", metavar="NB", help="a notebook, or a pattern in quotes")
    where = run.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", metavar="OUT", help="the file to write; a folder for several; - for stdout")
    where.add_argument("--inplace", action="store_true", help="write the executed notebook over itself")
    run.add_argument("--report", metavar="R.json", help="write what became of each cell as JSON; - for stdout")
    run.add_argument("--html", metavar="R.html", help="the same as one page; a folder/ for one each; - for stdout")
    run.add_argument("--force", action="store_true", help="execute every cell")
    run.add_argument(
        "--verify",
        type=_fraction,
        metavar="FRACTION",
        help="execute what could be reused, or that fraction of it (--verify=0.1), and compare",
    )
    run.add_argument("--allow", action="append", default=[], metavar="WHAT", help="network,subprocess,… for all cells")
    run.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="run N notebooks at a time")
    run.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    run.add_argument("--kernel", default="", metavar="NAME", help="run with this kernel instead of the notebook's own")
    run.add_argument("--timeout", type=_seconds, metavar="S", help="fail when a cell takes longer than S seconds")


def _fraction(text: str) -> float:
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no fraction between 0 and 1, as in --verify=0.1")
    return number


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of notebooks at a time")
    return int(text)


def _seconds(text: str) -> int:
    number = _number(text)
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return ceil(number)  # nbclient knows whole ones


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def follow_command(parsed: argparse.Namespace) -> int:
    """Follow `incnb run`. Raises `Mistake` before anything has run."""
    from incnb.batch import account

    try:
        values = read(parsed.parameters)
    except ParameterError as error:
        raise Mistake(str(error)) from None
    options = _options(parsed)
    asked, left_out = targets(parsed.notebooks, parsed.output, inplace=parsed.inplace)
    pages = account.places(parsed.html, [one.source for one in asked]) if parsed.html else []
    report = [("--report", parsed.report)] if parsed.report else []
    refuse_one_for_two(asked, [*report, *(("--html", page) for page in pages)])
    if parsed.report is not None:
        account.writable(parsed.report)
    if parsed.html is not None:
        account.writable(parsed.html, folder=account.is_folder(parsed.html))
    for line in left_out:
        tell(f"incnb: {line}")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of nbformat, about notebooks that it mends; nothing for a person to do
    outcomes, status = _follow(asked, parsed, Orders(options=options, verify=parsed.verify), values)
    return _account(parsed, asked, outcomes) or status or _status(outcomes)


def _options(parsed: argparse.Namespace) -> str:
    """The options for all cells, as in a notebook. Raises `Mistake`."""
    words = ["--force"] if parsed.force else []
    words += [word for wish in parsed.allow for word in ("--allow", wish)]
    if parsed.allow:
        from incnb.engine.options import OptionError, parse

        try:
            parse(" ".join(words))
        except OptionError as error:
            raise Mistake(str(error)) from None
    return " ".join(words)


def _follow(
    asked: Sequence[Target], parsed: argparse.Namespace, orders: Orders, values: dict[str, Value]
) -> tuple[list[Outcome], int]:
    from dataclasses import replace

    progress = telling.Progress(len(asked), sys.stderr)

    def run(one: Target, running: Running) -> Outcome:
        return execute(
            one.source,
            one.written,
            replace(orders, notebook=str(one.source)),
            parameters=values,
            kernel=parsed.kernel,
            timeout=parsed.timeout,
            running=running,
        )

    def done(place: int, outcome: Outcome) -> None:
        progress.done(place)
        for line in _lines(asked[place], outcome):
            progress.say(line)
        if telling.is_terminal(sys.stdout) and "-" not in (parsed.output, parsed.report, parsed.html):
            progress.pause()
            show(telling.summary(outcome))

    try:
        tasks = [(one.source, one.shown, partial(run, one)) for one in asked]
        return follow(tasks, parsed.jobs, progress.begun, done)
    finally:
        progress.close()


def _lines(target: Target, outcome: Outcome) -> list[str]:
    """What is told of a notebook wherever the output goes: errors, and why nothing was tracked."""
    told = [f"incnb: {line}" for line in outcome.told]
    if outcome.plainly and not outcome.interrupted:
        told.append(f"incnb: {target.shown} ran without incnb, nothing was reused: {outcome.plainly}")
    if why := telling.unsaved(outcome):
        told.append(f"incnb: nothing of {target.shown} was saved: {why}")
    told += [f"incnb: {line}" for line in telling.mismatches(outcome)]
    if outcome.interrupted:
        kept = "; the cells that had finished are kept" if outcome.begun else ""
        told.append(f"incnb: {target.shown} was interrupted{kept}")
    elif outcome.error:
        ours = outcome.error.startswith(outcome.brief)
        told += (
            [f"incnb: {outcome.error}"] if ours else [outcome.error, f"incnb: {target.shown} failed in {outcome.brief}"]
        )
    if (outcome.error or outcome.interrupted) and outcome.begun:
        name = os.path.relpath(target.written) if target.written != STDOUT else "the executed notebook"
        there = target.written != STDOUT and target.written.exists()
        told.append(f"incnb: nothing was written; {name} is as it was" if there else f"incnb: {name} was not written")
    return told


def _account(parsed: argparse.Namespace, asked: Sequence[Target], outcomes: Sequence[Outcome]) -> int:
    """Write what was asked for, and the table of several notebooks; a status where that failed."""
    from incnb.batch import account

    status = 0
    text = ""
    try:
        if parsed.html is not None:
            account.pages(parsed.html, outcomes)
        if parsed.report is not None:
            from json import dumps

            text = dumps(account.report(outcomes), indent=1)
            if parsed.report != "-":
                write(parsed.report, text + "\n")
    except Mistake as error:
        tell(f"incnb: {error}")
        status = NO_ANSWER
    if parsed.report == "-":
        show([text])
    elif parsed.html != "-" and len(outcomes) > 1:
        show(telling.table([one.shown for one in asked], outcomes))
    return status


def _status(outcomes: Sequence[Outcome]) -> int:
    """That of the only notebook; of several, whether one failed."""
    different = any(telling.mismatches(outcome) for outcome in outcomes)
    worst = max(outcome.status for outcome in outcomes)
    return worst if len(outcomes) == 1 and worst else NO_ANSWER if worst or different else 0
