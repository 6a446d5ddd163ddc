"""The place of the store: private, trusted or refused, and whole after every fault."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from incnb.store import BlobRef, Store, StoreError, default_root, files, prepare

CODE = "0123456789abcdef" * 2


def temporary_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(files.TEMP_PREFIX)]


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_everything_is_private_under_umask_000(root: Path) -> None:
    old = os.umask(0)
    try:
        store = Store(root / "deep" / "er")
        store.put_blob(b"secret")
        store.put_trace(CODE, {})
        store.log({"a": 1})
    finally:
        os.umask(old)
    for path in [root, *root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_store_says_that_it_is_a_cache(store: Store) -> None:
    store.put_blob(b"x")
    assert (store.root / ".gitignore").read_text() == "*\n"
    assert (store.root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


@pytest.mark.parametrize("spoil", ["file", "world", "link", "nowhere", "subfolder", "owner"])
def test_a_place_that_cannot_be_trusted_is_refused(
    root: Path, tmp_path: Path, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Store(root)
    ref = good.put_blob(b"x")
    good.put_trace(CODE, {})
    if spoil == "file":
        root.rename(tmp_path / "away")
        root.write_text("")
    elif spoil == "world":
        root.chmod(0o777)
    elif spoil == "link":
        (root / "blobs").rename(tmp_path / "away")
        (root / "blobs").symlink_to(tmp_path / "away")
    elif spoil == "nowhere":
        root.rename(tmp_path / "away")
        root.symlink_to(tmp_path / "none")
    elif spoil == "subfolder":
        (root / "traces").chmod(0o707)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    store = Store(root)
    attempts = [
        lambda: prepare(root),
        lambda: store.put_blob(b"y"),
        lambda: store.put_trace(CODE, {}),
        lambda: store.log({}),
        lambda: store.read(ref, raw=False),
        lambda: store.check(ref),
        lambda: list(store.traces(CODE)),
        lambda: store.history(),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError) as error:
            attempt()
        assert str(root) in one_line(error)


def test_the_place_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCNB_STORE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here" == Store().root
    monkeypatch.delenv("INCNB_STORE")
    assert default_root().name == "incnb"


def test_a_store_removed_while_in_use_is_made_again(store: Store) -> None:
    import shutil

    old = store.put_blob(b"x")
    store.log({"n": 1})
    shutil.rmtree(store.root)
    assert list(store.traces(CODE)) == []
    with pytest.raises(StoreError):
        store.check(old)
    assert store.read(store.put_blob(b"x"), raw=False) == b"x"
    store.put_trace(CODE, {})
    store.log({"n": 2})
    assert store.history() == [{"n": 2}]
    assert (store.root / ".gitignore").exists()


def test_a_failing_disk_is_one_line_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_trace(CODE, {"n": 1})

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for attempt in (lambda: store.put_blob(b"x"), lambda: store.put_trace(CODE, {"n": 2})):
        with pytest.raises(StoreError, match="No space left") as error:
            attempt()
        one_line(error)
    assert temporary_files(store.root) == []
    assert [trace.data for trace in store.traces(CODE)] == [{"n": 1}]


def test_an_interrupt_passes_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_blob(b"first")

    def interrupted(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put_blob(b"x")
    with pytest.raises(KeyboardInterrupt):
        store.put_trace(CODE, {})
    assert temporary_files(store.root) == []


def test_a_rename_that_was_done_but_reported_as_failed_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.replace

    def lost_answer(self: Path, target: Path) -> Path:
        rename(self, target)
        raise FileNotFoundError(2, "No such file or directory")

    store.put_blob(b"first")
    monkeypatch.setattr(Path, "replace", lost_answer)
    assert store.read(store.put_blob(b"x"), raw=False) == b"x"


def test_a_read_only_store_still_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = store.put_blob(b"x")
    store.put_trace(CODE, {"n": 1})
    store.log({"n": 1})

    def read_only(self: Path, *rest: object, **named: object) -> None:
        raise OSError(30, "Read-only file system")

    for name in ("open", "mkdir", "chmod"):
        monkeypatch.setattr(Path, name, read_only)
    other = Store(store.root)
    assert other.read(ref, raw=False) == b"x"
    assert [trace.data for trace in other.traces(CODE)] == [{"n": 1}]
    assert other.history() == [{"n": 1}]
    for attempt in (lambda: other.put_blob(b"y"), lambda: other.put_trace(CODE, {}), lambda: other.log({})):
        with pytest.raises(StoreError, match="Read-only") as error:
            attempt()
        one_line(error)


WRITER = """
import sys
from incnb.store import Store
store, n = Store(__import__("pathlib").Path(sys.argv[1])), 0
while True:
    n += 1
    ref = store.put_blob(b"%d" % n * 100_000)
    store.put_trace(sys.argv[2], {"n": n, "blob": ref.to_dict()})
    store.log({"n": n})
    print(n, flush=True)
"""


def test_kill_9_while_writing_leaves_whole_things_only(root: Path) -> None:
    acknowledged = 0
    for delay in (0.0, 0.003, 0.011, 0.02):
        process = subprocess.Popen([sys.executable, "-c", WRITER, root, CODE], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.wait(10)
        process.stdout.close()
        acknowledged += 1 + sum(1 for line in lines[:-1] if line)
        store = Store(root)
        found = list(store.traces(CODE))
        assert len(found) >= acknowledged
        for trace in found:
            assert trace.data is not None, trace.problem
            ref = BlobRef.from_dict(trace.data["blob"])
            assert store.read(ref, raw=False) == b"%d" % trace.data["n"] * 100_000
        store.put_trace(CODE, {"n": 1, "blob": store.put_blob(b"1" * 100_000).to_dict()})
        acknowledged += 1
        assert len(store.history()) >= acknowledged - 5


def test_a_folder_that_holds_other_things_is_not_made_a_store(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text("x = 1")
    with pytest.raises(StoreError, match="holds other things"):
        prepare(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["work.py"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place in which nothing can be made")
def test_a_place_in_which_nothing_can_be_made_is_told_at_once() -> None:
    with pytest.raises(StoreError, match="the store cannot be made: No such file"):
        prepare(Path("/proc/incnb/store"))
