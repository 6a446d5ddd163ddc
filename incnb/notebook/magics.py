"""`%incremental` and `%%incremental` as magics, so that completion, `%lsmagic` and `?` know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import display

from incnb.batch.orders import END
from incnb.engine.options import OptionError, Options, parse
from incnb.notebook import footer, unattended, verbs
from incnb.notebook.panel import Panel
from incnb.notebook.refresher import RefresherError
from incnb.notebook.shown import show

if TYPE_CHECKING:
    from incnb.notebook.extension import Extension

END_VERB = END.partition(" ")[2]
VERBS = ("on", "off", *verbs.USAGE, "panel", "refresher")


@magics_class
class IncMagics(Magics):
    """The magics of incnb."""

    def __init__(self, shell: Any, extension: Extension):
        super().__init__(shell)
        self._extension = extension

    @line_magic("incremental")  # type: ignore[arg-type]
    def incremental_line(self, line: str) -> None:
        """Track every cell, or ask and tell incnb something about cells.

        %incremental                       what is tracked, and where results are kept
        %incremental on [OPTIONS]          track every cell from here on; options as of %%incremental
        %incremental off                   track only cells marked %%incremental
        %incremental why [CELL]            all reasons of the latest decision (of that cell), what was and what is
        %incremental report                what became of the cells of this session, one line each
        %incremental plan                  what each cell would do if the notebook ran now, and why; runs nothing
        %incremental history CELL [--keep N]
                                           the latest N runs of a cell (20): when, what was decided, why, how long
        %incremental stats                 what was reused and executed, and the time that saved, as far as measured
        %incremental refresh [CELL]        what would be reused if it ran now, and why not; runs nothing
        %incremental mark CELL --hard [--reason TEXT]
                                           execute it next time; kept until it succeeds, over restarts too
        %incremental mark CELL --soft [--reason TEXT]
                                           decide afresh next time; ten soft marks make a hard one
        %incremental accept CELL --reason TEXT
                                           an edit did not change the result: reuse what is saved for everything as
                                           it is now. Say it after the edit and before the cell runs
        %incremental panel                 a live table of the cells: why each ran or was reused; run next time, pin, …
        %incremental forget CELL           take out of the store what is saved of it: it executes next time
        %incremental store                 what is kept, by cell, and how much that is
        %incremental wait                  wait for background work
        %incremental refresher start [--changes N] [--days D] [--min-changes N] [--allow WORD …]
                                           run this notebook again in the background when enough of what it relies on
                                           has changed, so that your next run is a hit; the file is never written
        %incremental refresher status      what is pending, running or not run and why, and what is watched
        %incremental refresher wait|stop   wait until all that is due has run; end it

        The questions are functions as well: incnb.why(), incnb.report(), incnb.plan(), incnb.history(CELL),
        incnb.stats(), incnb.store(), incnb.forget(CELL). Their answers have .to_dict() and .to_frame().

        CELL is its --name, its number as in [7], its cell id, or the start of its title (the first comment or line).
        """
        verb, _, rest = line.strip().partition(" ")
        tracker = self._extension.tracker
        orders = self._extension.orders
        if verb in ("on", "off") and orders is not None:
            # what a run orders stands over what the notebook says
            try:
                tracker.auto = unattended.allowed(orders, rest if verb == "on" else "")
            except OptionError as error:
                raise UsageError(f"incnb: {error}") from None
        elif line.strip() == END_VERB and orders is not None:
            unattended.end(self._extension)
        elif verb == "on":
            try:
                tracker.auto = parse(rest, Options())
            except OptionError as error:
                raise UsageError(f"incnb: {error}") from None
        elif verb == "off":
            tracker.auto = None
        elif verb == "panel":
            if rest.strip():
                raise UsageError("incnb: panel takes nothing more: %incremental panel")
            display(Panel(self._extension))  # type: ignore[no-untyped-call]
        elif not verb:
            print(self._extension.status())
        elif verb == "refresher":
            try:
                print(
                    self._extension.refresher.follow(rest) if orders is None else "incnb: no refresher in a batch run"
                )
            except RefresherError as error:
                if footer.attended(self.shell):
                    raise UsageError(f"incnb: {error}") from None
                print(f"incnb: {error}")  # a notebook that asks for one must not fail where nobody sits
        elif verb in verbs.USAGE:
            try:
                show(self.shell, verbs.follow(verb, rest, self._extension.enquiries))
            except verbs.VerbError as error:
                raise UsageError(f"incnb: {error}") from None
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
