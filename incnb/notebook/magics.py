"""`%incremental` and `%%incremental` as magics, so that completion, `%lsmagic` and `?` know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from incnb.engine.options import OptionError, Options, parse
from incnb.explain import describe

if TYPE_CHECKING:
    from incnb.notebook.extension import Extension

VERBS = ("on", "off", "why")


@magics_class
class IncMagics(Magics):
    """The magics of incnb."""

    def __init__(self, shell: Any, extension: Extension):
        super().__init__(shell)
        self._extension = extension

    @line_magic("incremental")  # type: ignore[arg-type]
    def incremental_line(self, line: str) -> None:
        """Track every cell from here on (`on [options]`), stop tracking (`off`), or say what is (no argument).

        `%incremental why` repeats the latest decision with its reasons. Options are those of `%%incremental`.
        """
        verb, _, rest = line.strip().partition(" ")
        tracker = self._extension.tracker
        if verb == "on":
            try:
                tracker.auto = parse(rest, Options())
            except OptionError as error:
                raise UsageError(f"incnb: {error}") from None
        elif verb == "off":
            tracker.auto = None
        elif verb == "why":
            decisions = self._extension.session.decisions
            print(describe(decisions[-1]) if decisions else "incnb: nothing was decided in this session yet")
        elif not verb:
            print(self._extension.status())
        else:
            raise UsageError(f"incnb: there is no %incremental {verb}; there are {', '.join(VERBS)}")

    @cell_magic("incremental")  # type: ignore[arg-type]
    def incremental_cell(self, line: str, cell: str) -> None:
        """Reuse this cell's result while everything it relied on is as it was; else execute it, and say why.

        Options: --name TEXT, --quiet, --force (execute this time), --off, --version TEXT (another text invalidates),
        --ignore NAME (do not rely on this name), --config EXPR (rely on what an expression comes to).
        """
        # cells are handled by the transformers; this runs only where another magic calls it as a function
        raise UsageError(
            "incnb: %%incremental must be the first line of its cell, or stand right below %%time or %%capture"
        )
