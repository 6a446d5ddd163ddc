"""nbconvert with every cell tracked:

    jupyter nbconvert --to notebook --Exporter.preprocessors=incnb.batch.IncrementalExecutePreprocessor NB

It is an `ExecutePreprocessor`, so all settings of that one hold for it, and it takes the place of nbconvert's own,
which is registered before any other and would run the notebook a second time under `--execute`. The place counts:
what comes behind it (figures written to files of their own, for one) works on outputs. Only where it is listed behind
another preprocessor it runs at that point of the list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import ExecutePreprocessor
from traitlets import Bool, List, TraitError, Unicode, observe, validate

from incnb.batch.execution import Incremental
from incnb.batch.orders import Orders
from incnb.engine.options import OptionError, Options, parse


class IncrementalExecutePreprocessor(Incremental, ExecutePreprocessor):
    """Executes what changed of a notebook, and reuses the rest."""

    allow = List(
        Unicode(),
        help="What reused cells may do: network, subprocess, input, widgets, threads, random, clock.",
    ).tag(config=True)
    options = Unicode(help='Options for all cells, as of `%incremental on`: "--ttl 1d --ignore progress".').tag(
        config=True
    )
    force = Bool(False, help="Execute every cell, and keep what comes of it.").tag(config=True)

    @validate("options", "allow")
    def _understood(self, proposal: Any) -> Any:
        value = proposal["value"]
        try:
            parse(value if isinstance(value, str) else _allowing(value), Options())
        except OptionError as error:
            raise TraitError(f"incnb: {error}") from None
        return value

    @observe("enabled")
    def _take_place(self, change: Any = None) -> None:
        """Stand where nbconvert's own stands, and let that one be."""
        steps = getattr(self.parent, "_preprocessors", None)
        if not self.enabled or not isinstance(steps, list):
            return
        for place, step in enumerate(steps):
            if type(step) is ExecutePreprocessor:
                step.enabled = False
                if self not in steps and self._is_first():
                    steps[place] = self

    def _is_first(self) -> bool:
        listed = getattr(self.parent, "preprocessors", [])
        return not listed or listed[0] in (type(self), f"{__package__}.{type(self).__name__}", self)

    def __call__(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        steps = getattr(self.parent, "_preprocessors", None)
        if self.enabled and isinstance(steps, list):
            # those that were registered after this one, and this one where it was put by nbconvert
            first = next(
                (place for place, step in enumerate(steps) if isinstance(step, type(self)) and step.enabled), 0
            )
            for step in steps:
                if type(step) is ExecutePreprocessor:
                    step.enabled = False
            steps[first + 1 :] = [step for step in steps[first + 1 :] if not isinstance(step, type(self))]
        return super().__call__(nb, resources)  # type: ignore[no-any-return]

    def preprocess(self, nb: Any, resources: Any = None, km: Any = None) -> tuple[Any, Any]:
        """Execute a notebook, as `ExecutePreprocessor.preprocess`; `resources` say where it lies."""
        words = [self.options, _allowing(self.allow), "--force" if self.force else ""]
        self.orders = Orders(notebook=_path(resources), options=" ".join(filter(None, words)))
        try:
            return super().preprocess(nb, resources, km)  # type: ignore[no-any-return]
        finally:
            if self.summary:
                self.log.info("incnb: %s", self.summary)


def _allowing(kinds: list[str]) -> str:
    return f"--allow {' '.join(kinds)}" if kinds else ""


def _path(resources: Any) -> str:
    """The notebook in full, as nbconvert tells of it; empty where there is no such file."""
    told = (resources or {}).get("metadata", {})
    name = str(told.get("name") or "")
    file = Path(os.path.abspath(Path(str(told.get("path") or "")) / f"{name}.ipynb"))  # noqa: PTH100 as `Path.absolute`, without ..
    return str(file) if name and file.is_file() else ""
