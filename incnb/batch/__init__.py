"""Notebooks executed and asked about from outside: the command line, and what other tools of Jupyter run them with."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incnb.batch.preprocessor import IncrementalExecutePreprocessor

__all__ = ["IncrementalExecutePreprocessor"]


def __getattr__(name: str) -> Any:
    # nbconvert is imported only by who names its preprocessor
    if name != "IncrementalExecutePreprocessor":
        raise AttributeError(f"module 'incnb.batch' has no attribute {name!r}")
    from incnb.batch.preprocessor import IncrementalExecutePreprocessor

    return IncrementalExecutePreprocessor
