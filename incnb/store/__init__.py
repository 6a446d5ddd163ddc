"""Traces, items of loops and blobs on disk, the log, and saving and restoring values."""

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
