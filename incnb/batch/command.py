"""The command `incnb` (also `jupyter incnb`, `python -m incnb`).

Each verb is a module of this folder with `add(verb)`, which registers it: see `Verb`. What a verb needs is imported
when it is followed. A mistake of the person is one line on stderr: status 2 for something that is not there (a
notebook, a cell), status 1 where there is no answer (nothing recorded, unreadable).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn, Protocol

import incnb
from incnb.batch.parameters import VERBATIM
from incnb.batch.terminal import BROKEN_PIPE, NO_ANSWER, NOT_THERE, Mistake, hush, tell
from incnb.model import IncnbError

__all__ = ["Mistake", "Verb", "main"]

#: The modules of verbs, in the order of `incnb --help`.
MODULES = ("running", "planning", "asking", "watch")

_STORE = """
The store is INCNB_STORE, or the user's cache folder.
"""


class Verb(Protocol):
    """Registers one verb: its name, what follows it (returns the status), one line of help, and more of it with
    examples. Returns the parser, for arguments."""

    def __call__(
        self, name: str, follow: Callable[[argparse.Namespace], int], what: str, more: str, epilog: str = ""
    ) -> argparse.ArgumentParser: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow a command line; the status to exit with."""
    for stream in (sys.stdout, sys.stderr):
        # a title that this terminal cannot show is no reason to fail
        getattr(stream, "reconfigure", lambda **how: None)(errors="backslashreplace")
    try:
        try:
            parsed = _parser().parse_args(_words(sys.argv[1:] if arguments is None else arguments))
            status: int = parsed.follow(parsed)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # whoever read has seen enough
        hush()
        return BROKEN_PIPE
    except OSError as error:  # of the store's there are none
        hush()
        tell(f"incnb: standard output cannot be written: {error.strerror or error}")
        return NO_ANSWER
    except IncnbError as error:
        tell(f"incnb: {error}")
        return error.status if isinstance(error, Mistake) else NO_ANSWER
    except KeyboardInterrupt:
        return 130
    return status


def _words(words: Sequence[str]) -> list[str]:
    """The words of a command line as argparse understands them."""
    found: list[str] = []
    for word in words:
        if found[-2:-1] in (["-p"], ["--parameter"]) and word.startswith("-"):
            found.append(f"{VERBATIM}{word}")  # a value such as -1e-3 or -draft is no option
        elif word == "--verify":
            found.append("--verify=1")  # its value stands behind a sign: what follows it is a notebook
        else:
            found.append(word)
    return found


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as every other mistake is told."""

    def error(self, message: str) -> NoReturn:
        self.exit(NOT_THERE, f"{self.prog}: {message} ({self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "incnb",
        description="What incnb does with the cells of your notebooks, and why.",
        epilog=_STORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"incnb {incnb.__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(
        name: str, follow: Callable[[argparse.Namespace], int], what: str, more: str, epilog: str = ""
    ) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name,
            help=what,
            description=more,
            epilog=epilog or _STORE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(follow=follow)
        return added

    for module in MODULES:
        import_module(f"incnb.batch.{module}").add(verb)
    return parser
