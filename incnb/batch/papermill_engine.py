"""papermill with every cell tracked:

    papermill NB OUT --engine incnb -p alpha 0.6

Parameters are code of a cell that papermill writes, so only what reads a changed one executes. Everything else is
papermill's: what it writes while the notebook runs, and how it marks a cell that failed.

papermill imports every engine as soon as it is imported itself, whichever is used: this module imports little.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.iorw import papermill_io
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from incnb.batch.execution import Incremental
from incnb.batch.orders import Orders


class Client(Incremental, PapermillNotebookClient):
    """papermill's client, whose kernel tracks every cell."""


class IncrementalEngine(NBClientEngine):
    """The engine `incnb`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        incnb_options: str = "",
        **kwargs: Any,
    ) -> Any:
        """As `NBClientEngine`, whose client cannot be exchanged. `incnb_options` as of `%incremental on`."""
        from incnb.engine.options import Options, parse

        parse(incnb_options, Options())
        told = remove_args(["input_path", "timeout", "startup_timeout"], **kwargs)
        settings = merge_kwargs(
            told,
            timeout=execution_timeout if execution_timeout else kwargs.get("timeout"),
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
        )
        client = Client(nb_man, **settings)
        client.orders = Orders(notebook=_path(kwargs.get("input_path")), options=incnb_options)
        try:
            return client.execute()
        finally:
            if client.summary:
                logger.info(f"incnb: {client.summary}")


def _path(told: Any) -> str:
    """The input in full; empty for what is no file here. papermill works in the folder that `--cwd` names by now, and
    reads and writes in the one that it was started in.
    """
    if not isinstance(told, str) or not told or "://" in told:
        return ""
    try:
        local = papermill_io.get_handler("local")
        started = local.cwd(None)
        local.cwd(started)
        file = Path(started or "", told).absolute()
        return str(file) if file.is_file() else ""
    except (AttributeError, OSError, ValueError):  # another handler, or the notebook itself as a text
        return ""
