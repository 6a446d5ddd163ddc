"""Traces, items of loops and blobs on disk, the log, and saving and restoring values.

The package can be called: `incnb.store()` is the question what a store holds, beside `incnb.report()` and its like, and
`incnb.store` is this package as soon as anything imports it. So both are one object: a module of a class of its own,
which differs from any other module in nothing but that it can be called. What is named here is imported when it is
asked for: who only reads a file of a store needs little of it.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incnb.store.disk import BlobRef, Store, StoredTrace
    from incnb.store.items import Entry, Items
    from incnb.store.journal import Journal
    from incnb.store.pickling import Pickled, Refer, Resolve, Unpicklable, dump, load
    from incnb.store.place import StoreError, default_root, prepare
    from incnb.store.rebuild import LoadError

__all__ = [
    "BlobRef",
    "Entry",
    "Items",
    "Journal",
    "LoadError",
    "Pickled",
    "Refer",
    "Resolve",
    "Store",
    "StoreError",
    "StoredTrace",
    "Unpicklable",
    "default_root",
    "dump",
    "load",
    "prepare",
]

_ROOMS = {
    **dict.fromkeys(("BlobRef", "Store", "StoredTrace"), "disk"),
    **dict.fromkeys(("Entry", "Items"), "items"),
    **dict.fromkeys(("Journal",), "journal"),
    **dict.fromkeys(("Pickled", "Refer", "Resolve", "Unpicklable", "dump", "load"), "pickling"),
    **dict.fromkeys(("StoreError", "default_root", "prepare"), "place"),
    **dict.fromkeys(("LoadError",), "rebuild"),
}


class _Asked(ModuleType):
    """This package. The answer comes from above, where it is looked for by name when somebody asks."""

    def __call__(self) -> Any:
        return import_module(f"{self.__name__.partition('.')[0]}.notebook.questions").store()

    def __getattr__(self, name: str) -> Any:
        room = _ROOMS.get(name)
        if room is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{self.__name__}.{room}"), name)
        setattr(self, name, found)
        return found


sys.modules[__name__].__class__ = _Asked
