"""Blobs, traces and the place they lie in: what was stored, or one clear line."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incnb.store import BlobRef, Store, StoreError, files

CODE = "0123456789abcdef" * 2
MIB = 1 << 20


def blob_path(store: Store, ref: BlobRef) -> Path:
    return store.root / "blobs" / ref.sha256[:2] / ref.sha256


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# -- blobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 300, b"\0" * (MIB + 5)])
@pytest.mark.parametrize("raw", [True, False])
def test_a_blob_comes_back_as_it_was(store: Store, data: bytes, raw: bool) -> None:
    ref = store.put_blob(data)
    store.check(ref)
    assert BlobRef.from_dict(json.loads(json.dumps(ref.to_dict()))) == ref
    view = Store(store.root).read(ref, raw=raw)
    assert view == data
    assert not view.readonly


def test_the_same_bytes_are_stored_once(store: Store) -> None:
    ref = store.put_blob(b"abc")
    inode = blob_path(store, ref).stat().st_ino
    os.utime(blob_path(store, ref), (1, 1))
    assert store.put_blob(bytearray(b"abc")) == ref
    assert blob_path(store, ref).stat().st_ino == inode
    assert blob_path(store, ref).stat().st_mtime > 1000


def test_an_array_with_a_shape_is_stored_as_its_bytes(store: Store) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12.0).reshape(3, 4)
    assert store.read(store.put_blob(array), raw=True) == array.tobytes()
    assert store.put_blob(array[:0]).length == 0
    with pytest.raises(StoreError, match="one piece"):
        store.put_blob(array[:, ::2])


def test_a_big_raw_blob_is_a_copy_on_write_map(store: Store) -> None:
    numpy = pytest.importorskip("numpy")
    data = numpy.arange(MIB // 8, dtype="i8")
    ref = store.put_blob(data)
    store._local = True
    view = store.read(ref, raw=True)
    assert isinstance(view.obj, files.CopyOnWriteMap)
    restored = numpy.frombuffer(view, "i8")
    restored[:] = 7
    assert (numpy.frombuffer(store.read(ref, raw=True), "i8") == data).all()
    assert blob_path(store, ref).read_bytes() == data.tobytes()


def test_on_an_unknown_file_system_a_big_blob_is_read(store: Store) -> None:
    ref = store.put_blob(b"x" * MIB)
    store._local = False
    assert isinstance(store.read(ref, raw=True).obj, bytearray)


def test_the_kind_of_file_system_is_told_by_the_innermost_mount(tmp_path: Path) -> None:
    assert not files.is_local(Path("/proc/self"))
    assert isinstance(files.is_local(tmp_path), bool)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("size", [10, MIB + 1])
def test_a_truncated_blob_is_reported_not_returned(store: Store, size: int, raw: bool) -> None:
    ref = store.put_blob(b"x" * size)
    os.truncate(blob_path(store, ref), size - 1)
    for attempt in (lambda: store.read(ref, raw=raw), lambda: store.check(ref)):
        with pytest.raises(StoreError, match=ref.sha256) as error:
            attempt()
        one_line(error)
    assert store.read(store.put_blob(b"x" * size), raw=raw) == b"x" * size


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("size", [10, MIB + 1])
def test_a_flipped_bit_is_reported_and_healed_when_saved_again(store: Store, size: int, raw: bool) -> None:
    ref = store.put_blob(b"x" * size)
    path = blob_path(store, ref)
    path.write_bytes(b"x" * (size - 1) + b"y")
    with pytest.raises(StoreError, match="does not hold what was saved"):
        store.read(ref, raw=raw)
    store.put_blob(b"x" * size)
    assert store.read(ref, raw=raw) == b"x" * size


def test_a_missing_blob_is_reported(store: Store) -> None:
    ref = store.put_blob(b"abc")
    blob_path(store, ref).unlink()
    for attempt in (lambda: store.read(ref, raw=False), lambda: store.check(ref)):
        with pytest.raises(StoreError, match="No such file"):
            attempt()
    store.touch(ref)


def test_links_and_fifos_in_place_of_a_blob_neither_hang_nor_lead_away(store: Store, tmp_path: Path) -> None:
    ref = store.put_blob(b"abc")
    path = blob_path(store, ref)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"abc")
    path.unlink()
    path.symlink_to(elsewhere)
    for kind in ("link", "fifo", "folder"):
        if kind != "link":
            path.unlink()
            os.mkfifo(path) if kind == "fifo" else path.mkdir()
        for raw in (True, False):
            with pytest.raises(StoreError):
                store.read(ref, raw=raw)
        with pytest.raises(StoreError):
            store.check(ref)
        if kind != "folder":
            store.put_blob(b"abc")
            assert store.read(ref, raw=False) == b"abc"
    assert elsewhere.read_bytes() == b"abc"


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"sha256": "../../../etc/passwd", "xxh3": "0" * 32, "length": 1},
        {"sha256": "0" * 64, "xxh3": "x", "length": 1},
        {"sha256": "0" * 64, "xxh3": "0" * 32, "length": -1},
        {"sha256": "0" * 64, "xxh3": "0" * 32, "length": True},
        {"sha256": "0" * 64 + "\n", "xxh3": "0" * 32, "length": 1},
    ],
)
def test_a_strange_reference_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        BlobRef.from_dict(bad)


def test_a_hostile_length_allocates_nothing(store: Store) -> None:
    ref = store.put_blob(b"abc")
    with pytest.raises(StoreError):
        store.read(BlobRef(ref.sha256, ref.xxh3, 1 << 62), raw=True)


# -- traces ------------------------------------------------------------------------------------------------------------


def test_traces_come_newest_first(store: Store) -> None:
    ids = [store.put_trace(CODE, {"n": n, "text": "é\ud800\n"}) for n in range(12)]
    found = list(Store(store.root).traces(CODE))
    assert [trace.id for trace in found] == ids[::-1]
    assert [trace.seq for trace in found] == list(range(12, 0, -1))
    assert found[0].data == {"n": 11, "text": "é\ud800\n"}
    store.touch_trace(CODE, ids[0])


def test_the_same_trace_saved_again_is_the_newest(store: Store) -> None:
    for n in (1, 2, 1):
        store.put_trace(CODE, {"n": n})
    assert [trace.data for trace in store.traces(CODE)] == [{"n": 1}, {"n": 2}, {"n": 1}]


def test_order_does_not_come_from_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = store.put_trace(CODE, {"n": 1}), store.put_trace(CODE, {"n": 2})
    os.utime(store.root / "traces" / CODE / f"{old}.json", (2e9, 2e9))
    os.utime(store.root / "traces" / CODE / f"{new}.json", (1, 1))
    monkeypatch.setattr(time, "time", lambda: -1e9)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    store.put_trace(CODE, {"n": 3})
    assert [trace.data for trace in store.traces(CODE)] == [{"n": 3}, {"n": 2}, {"n": 1}]


def test_a_person_can_read_a_trace(store: Store) -> None:
    name = store.put_trace(CODE, {"outputs": {"a": 1}, "name": "é"})
    text = (store.root / "traces" / CODE / f"{name}.json").read_text("utf-8")
    assert json.loads(text)["trace"] == {"outputs": {"a": 1}, "name": "é"}
    assert '\n "name": "é"' in text


def test_an_unknown_code_has_no_traces(store: Store) -> None:
    assert list(store.traces(CODE)) == []
    assert not store.root.exists()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7), how=st.sampled_from(["flip", "cut", "tail", "zero"]))
def test_a_damaged_trace_is_never_taken_for_another(store: Store, position: int, bit: int, how: str) -> None:
    folder = store.root / "traces" / CODE
    for path in folder.glob("*") if folder.exists() else ():
        path.unlink()
    store.put_trace(CODE, {"n": 1})
    name = store.put_trace(CODE, {"n": 2, "deps": ["a", "b"]})
    path = folder / f"{name}.json"
    raw = bytearray(path.read_bytes())
    position %= len(raw)
    if how == "flip":
        raw[position] ^= 1 << bit
    elif how == "cut":
        del raw[position:]
    elif how == "tail":
        raw += bytes([bit]) * (1 + position % 9)
    else:
        raw[position : position + 16] = bytes(len(raw[position : position + 16]))
    path.write_bytes(raw)
    first, second = store.traces(CODE)
    assert second.data == {"n": 1}
    if first.data is None:
        assert first.problem and "\n" not in first.problem
    else:
        assert first.data == {"n": 2, "deps": ["a", "b"]}


def test_a_trace_under_the_name_of_another_is_damaged(store: Store) -> None:
    one, two = store.put_trace(CODE, {"n": 1}), store.put_trace(CODE, {"n": 2})
    folder = store.root / "traces" / CODE
    (folder / f"{one}.json").replace(folder / f"{two}.json")
    (found,) = store.traces(CODE)
    assert found.data is None and not found.newer


def test_a_trace_of_a_future_version_is_left_alone(store: Store) -> None:
    name = store.put_trace(CODE, {"n": 1})
    path = store.root / "traces" / CODE / f"{name}.json"
    future = b'{"v": 7, "quite": "different"}'
    path.write_bytes(future)
    store.put_trace(CODE, {"n": 2})
    mine, newer = store.traces(CODE)
    assert mine.data == {"n": 2}
    assert newer.newer and newer.data is None and "7" in (newer.problem or "")
    assert path.read_bytes() == future


def test_odd_files_among_the_traces_do_not_disturb(store: Store, tmp_path: Path) -> None:
    name = store.put_trace(CODE, {"n": 1})
    folder = store.root / "traces" / CODE
    (folder / "notes.txt").write_text("x")
    (folder / "tmp-1-2").write_text("x")
    os.mkfifo(folder / f"{2:012d}-{'a' * 16}.json")
    (folder / f"{3:012d}-{'a' * 16}.json").symlink_to(tmp_path)
    (folder / f"{4:012d}-{'a' * 16}.json").mkdir()
    found = list(store.traces(CODE))
    assert [trace.seq for trace in found] == [4, 3, 2, 1]
    assert [trace.data for trace in found] == [None, None, None, {"n": 1}]
    assert found[-1].id == name
    assert store.put_trace(CODE, {"n": 5}).startswith("000000000005-")


def test_a_trace_folder_that_cannot_be_listed_is_an_error(store: Store) -> None:
    store.put_trace(CODE, {})
    path = store.root / "traces" / ("f" * 32)
    path.write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be listed") as error:
        list(store.traces("f" * 32))
    one_line(error)


@pytest.mark.parametrize("code", ["", "..", "../../x", "a" * 300, "ABCDEF0123456789", "a\0b", "12345678\n"])
def test_only_digests_become_names(store: Store, code: str) -> None:
    with pytest.raises(StoreError):
        store.put_trace(code, {})
    with pytest.raises(StoreError):
        list(store.traces(code))


def test_a_trace_that_is_no_json_is_refused(store: Store) -> None:
    loop: dict[str, object] = {}
    loop["me"] = loop
    for bad in ({"x": object()}, loop):
        with pytest.raises(StoreError) as error:
            store.put_trace(CODE, bad)
        one_line(error)
