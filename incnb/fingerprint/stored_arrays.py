"""Arrays that lie in files until they are asked for: h5py, zarr, xarray, and datasets of pyarrow.

Each is what it says about itself and the content of its files, never the one without the other. h5py objects are the
content of their file, which has to be open for reading and to hold all of it; zarr's are the content of their store;
xarray's are the values that reading them now would give, read past its cache, so that they stay the same when it is
filled; a dataset of pyarrow is its schema, its filter and the files that it found when it was made.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from incnb.fingerprint import files, objects
from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, slots_of
from incnb.fingerprint.origin import fields
from incnb.fingerprint.registry import handles

# -- h5py


def _h5(encoder: Encoder, value: Any) -> None:
    h5py = sys.modules["h5py"]
    if not encoder.first_time(value):
        return
    encoder.tag("h5py")
    encode_class_of(encoder, value)
    if not isinstance(value, h5py.File | h5py.Group | h5py.Dataset):
        raise encoder.refuse(f"a {type(value).__name__} of h5py cannot be read")
    if not value:
        raise encoder.refuse("an h5py file that is closed")
    file = value.file
    if file.mode != "r":
        raise encoder.refuse("an h5py file that is open for writing: what is in it may not be on the disk yet")
    if file.driver != "sec2":
        raise encoder.refuse(f"an h5py file through the driver {file.driver!r}")
    opened, named = os.fstat(file.id.get_vfd_handle()), files.identity(file.filename)
    if named is None or (opened.st_dev, opened.st_ino) != named[:2]:
        raise encoder.refuse("an h5py file that was replaced since it was opened")
    _in_one_file(encoder, h5py, file)
    encoder.encode((file.filename, value.name))
    encoder.write(files.digest(file.filename))


def _in_one_file(encoder: Encoder, h5py: Any, file: Any) -> None:
    """Refuse files that show what lies in others."""
    seen: set[Any] = set()
    todo = [file]
    while todo:
        group = todo.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise encoder.refuse(f"an h5py file with a link to another file ({link.filename})")
            below = group.get(name) if isinstance(link, h5py.HardLink) else None
            if isinstance(below, h5py.Dataset) and (below.is_virtual or below.external):
                raise encoder.refuse(f"an h5py file whose dataset {below.name!r} lies in other files")
            if isinstance(below, h5py.Group) and below.id not in seen:
                seen.add(below.id)
                todo.append(below)


def install_h5py() -> None:
    """Register the handler for h5py."""
    handles(sys.modules["h5py"].HLObject, _h5, subclasses=True)


# -- zarr


def _zarr_store(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.tag("zarr store")
    encode_class_of(encoder, value)
    storage = sys.modules["zarr.storage"]
    encoder.encode(bool(getattr(value, "read_only", False)))
    if type(value) is storage.LocalStore:
        root = Path(value.root)
        encoder.text(str(value.root))
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
        encoder.encode(len(names))
        for name in names:
            encoder.text(name)
            encoder.write(files.digest(root / name))
    elif type(value) is storage.MemoryStore:
        parts = value._store_dict
        encoder.encode(len(parts))
        for name in sorted(parts):
            encoder.text(name)
            encoder.raw(parts[name].to_bytes())
    else:
        raise encoder.refuse(f"a {type(value).__name__} of zarr, whose content cannot be known; read it into an array")


def _zarr_metadata(encoder: Encoder, value: Any) -> None:
    """Metadata and codecs, without what they have made for themselves since they were asked."""
    encoder.tag("zarr metadata")
    encode_class_of(encoder, value)
    encoder.encode(value.to_dict())


def install_zarr() -> None:
    """Register the handler for zarr: arrays and groups say what they are, their store what is in them."""
    base = getattr(sys.modules.get("zarr.abc.store"), "Store", None)
    if base is None:  # before version 3 arrays and groups hid what they lie on
        zarr = sys.modules["zarr"]
        for cls in (zarr.Array, zarr.Group):
            handles(cls, _unknown, subclasses=True)
    else:
        handles(base, _zarr_store, subclasses=True)
        handles(sys.modules["zarr.abc.metadata"].Metadata, _zarr_metadata, subclasses=True)


def _unknown(encoder: Encoder, value: Any) -> None:
    raise encoder.refuse(f"a {type(value).__name__} whose files cannot be known; read it into an array")


# -- xarray


def _xarray(encoder: Encoder, value: Any) -> None:
    """A data set, an array, a variable: what it holds, without the file that it would close."""
    if not encoder.first_time(value):
        return
    encoder.libraries.add("xarray")
    encoder.tag("xarray")
    encode_class_of(encoder, value)
    state = dict(fields(value))
    for name, slot in slots_of(type(value)).items():
        with suppress(AttributeError):
            state[name] = slot.__get__(value, type(value))
    for name in _MADE_WHEN_ASKED & set(state):
        state[name] = state[name] or None
    encoder.attributes("state", {k: v for k, v in state.items() if k not in _REMEMBERED}, ordered=False)


_MADE_WHEN_ASKED = frozenset({"_attrs", "_encoding"})
_REMEMBERED = frozenset({"_cache", "_close", "_file_obj"})


def _lazily_indexed(encoder: Encoder, value: Any) -> None:
    """Values that are not loaded yet, or are wrapped: read now, as they would be, and forgotten again."""
    indexing = sys.modules["xarray.core.indexing"]
    if isinstance(value, indexing.PandasIndexingAdapter):
        objects.encode_object(encoder, value)
        return
    inner = value
    while isinstance(inner, indexing.MemoryCachedArray | indexing.CopyOnWriteArray):
        inner = inner.array
    found = inner.get_duck_array() if hasattr(inner, "get_duck_array") else inner
    numpy = sys.modules["numpy"]
    if type(found) is numpy.ndarray and (found.base is not None or not found.flags.writeable):
        found = found.copy()  # as it will be once it is loaded
    encoder.encode(found)


def install_xarray() -> None:
    """Register the handlers for xarray."""
    xarray = sys.modules["xarray"]
    indexing = sys.modules["xarray.core.indexing"]
    for name in ("Dataset", "DataArray", "Variable", "IndexVariable", "DataTree"):
        cls = getattr(xarray, name, None)
        if cls is not None:
            handles(cls, _xarray, subclasses=True)
    handles(indexing.ExplicitlyIndexed, _lazily_indexed, subclasses=True)


# -- datasets of pyarrow


def _dataset(encoder: Encoder, value: Any) -> None:
    dataset = sys.modules["pyarrow.dataset"]
    if not encoder.first_time(value):
        return
    encoder.libraries.add("pyarrow")
    encoder.tag("arrow dataset")
    encode_class_of(encoder, value)
    encoder.encode(value.schema)
    encoder.encode(dict(value._scan_options))
    if isinstance(value, dataset.UnionDataset):
        encoder.sequence("children", list(value.children))
    elif isinstance(value, dataset.FileSystemDataset):
        with encoder.at(".files"):
            encoder.encode(value.partition_expression)
            encoder.sequence("fragments", list(value._get_fragments(None)))
    else:
        raise encoder.refuse(f"a {type(value).__name__} cannot be read without using it up; make a table of it")


def _fragment(encoder: Encoder, value: Any) -> None:
    dataset, filesystems = sys.modules["pyarrow.dataset"], sys.modules["pyarrow.fs"]
    encoder.tag("arrow fragment")
    if not isinstance(value, dataset.FileFragment):
        raise encoder.refuse(f"a {type(value).__name__} cannot be read without using it up")
    encode_class_of(encoder, value)
    encoder.encode(value.format)
    place, system, *plan = value.__reduce__()[1]
    if isinstance(plan[-1], list) and plan[-1] == list(range(value.metadata.num_row_groups)):
        plan[-1] = None  # all of them, which it says once somebody has looked
    encoder.encode((place, *plan))
    if value.buffer is not None:
        return
    path = value.path
    while isinstance(system, filesystems.SubTreeFileSystem):
        path, system = f"{system.base_path}{path}", system.base_fs
        encoder.text(path)
    if not isinstance(system, filesystems.LocalFileSystem):
        raise encoder.refuse(f"{path} is not on this machine: its content cannot be known")
    encoder.write(files.digest(path))


def install_dataset() -> None:
    """Register the handlers for datasets of pyarrow."""
    dataset = sys.modules["pyarrow.dataset"]
    handles(dataset.Dataset, _dataset, subclasses=True)
    handles(dataset.Fragment, _fragment, subclasses=True)
