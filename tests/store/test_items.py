"""Items of loops: what was written is found again, whatever happens to the files, and nothing else ever is."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

import pytest

from incnb.store import Entry, Items, Journal, Store, StoreError, files, frames, packs

LOOP = "0123456789abcdef" * 2
ROOT = Path(__file__).resolve().parents[2]


def key(n: object) -> bytes:
    return blake2b(str(n).encode(), digest_size=16).digest()


def relied(n: object) -> bytes:
    return key(f"relied {n}")


def payload(n: int) -> bytes:
    return b"%d;" % n * (n % 7)


def fill(journal: Journal, numbers: Iterable[int], on: object = 0) -> None:
    journal.relies(relied(on), f'{{"on": "{on}"}}'.encode())
    for n in numbers:
        journal.add(key(n), relied(on), n / 2, payload(n))


def written(store: Store, numbers: Iterable[int], on: object = 0) -> Path:
    """A file of one frame; nothing is merged."""
    items = Items(store, LOOP)
    items._compacted = True
    items.refresh()
    before = set(paths(store))
    journal = items.journal()
    fill(journal, numbers, on)
    journal.write()
    journal.close()
    (path,) = set(paths(store)) - before
    return path


def fresh(store: Store) -> Items:
    items = Items(Store(store.root), LOOP)
    items.refresh()
    return items


def found(items: Items, numbers: Iterable[int]) -> set[int]:
    """Which are there; those are right."""
    there = set()
    for n in numbers:
        for entry in items.get(key(n)):
            assert entry.key == key(n) and entry.payload == payload(n) and entry.seconds == n / 2
            assert items.relied(entry.relied) is not None
            there.add(n)
    return there


def folder(store: Store) -> Path:
    return store.root / "items" / LOOP


def paths(store: Store) -> list[Path]:
    return sorted(folder(store).glob("*.items"))


def abandoned(path: Path) -> Path:
    """The same file, of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait(10)
    parts = path.name.split("-")
    other = path.with_name("-".join([*parts[:-2], str(process.pid), parts[-1]]))
    path.rename(other)
    return other


# -- writing and finding ---------------------------------------------------------------------------------------------


def test_items_come_back(store: Store) -> None:
    started = time.time()
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, range(100))
    assert journal.pending == 100 and journal.pending_bytes == 2800 + sum(len(payload(n)) for n in range(100))
    assert items.get(key(3)) == () and not paths(store)
    journal.write()
    assert journal.pending == journal.pending_bytes == 0
    for one in (items, fresh(store)):
        (entry,) = one.get(key(3))
        assert entry == Entry(key(3), relied(0), 1.5, entry.created, b"3;3;3;")
        assert started <= entry.created <= time.time()
        assert found(one, range(200)) == set(range(100)) and len(one) == 100
        assert one.relied_digests == [relied(0)] and one.relied(relied(0)) == b'{"on": "0"}'
        assert one.relied(relied(1)) is None and one.problems == []


def test_nothing_is_made_before_the_first_write(store: Store) -> None:
    items = Items(store, LOOP)
    items.refresh()
    journal = items.journal()
    journal.write()
    fill(journal, range(3))
    assert journal.drop() == 3 and journal.drop() == 0
    journal.write()
    journal.close()
    journal.close()
    assert not store.root.exists() and len(items) == 0 and items.problems == []


@pytest.mark.parametrize("umask", [0, 0o777])
def test_files_are_private(store: Store, umask: int) -> None:
    old = os.umask(umask)
    try:
        path = written(store, range(3))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_candidates_come_newest_first_and_replace_what_relied_on_the_same(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    for on in "ab":
        journal.relies(relied(on), on.encode())
    for on, text in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("b", b"4")):
        journal.add(key(0), relied(on), 1, text)
        journal.write()
    for one in (items, fresh(store)):
        assert [entry.payload for entry in one.get(key(0))] == [b"4", b"3"] and len(one) == 2
    journal.add(key(0), relied("a"), 1, b"5")
    journal.add(key(0), relied("a"), 1, b"6")
    journal.write()
    for one in (items, fresh(store)):
        assert [entry.payload for entry in one.get(key(0))] == [b"6", b"4"]


def test_order_does_not_depend_on_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2e9)
    written(store, [1], on="first")
    monkeypatch.setattr(time, "time", lambda: 1e9)
    written(store, [1], on="second")
    assert [entry.relied for entry in fresh(store).get(key(1))] == [relied("second"), relied("first")]


def test_order_does_not_depend_on_what_was_read_first(store: Store) -> None:
    late = Items(store, LOOP).journal()
    for n in range(3):
        written(store, [1], on=n)
    early = fresh(store)
    fill(late, [1], on="late")
    late.write()
    early.refresh()
    assert early.get(key(1)) == fresh(store).get(key(1)) and early.get(key(1))[0].relied == relied(2)


def test_what_others_append_is_found_by_a_refresh(store: Store) -> None:
    mine, other = Items(store, LOOP), Items(Store(store.root), LOOP)
    journal = other.journal()
    for n in range(5):
        fill(journal, [n], on=n)
        journal.write()
        mine.refresh()
        assert found(mine, range(10)) == set(range(n + 1))
    assert len(mine.relied_digests) == 5


def test_a_known_dependency_set_need_not_be_declared_again(store: Store) -> None:
    written(store, [1])
    items = fresh(store)
    journal = items.journal()
    journal.add(key(2), relied(0), 1, payload(2))
    with pytest.raises(StoreError):
        journal.add(key(2), relied(1), 1, b"")
    with pytest.raises(StoreError):
        journal.add(b"short", relied(0), 1, b"")
    journal.write()
    paths(store)[0].unlink()
    assert fresh(store).relied(relied(0)) == b'{"on": "0"}'


def test_many_items_are_loaded_whole(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, range(100_000))
    journal.write()
    again = fresh(store)
    assert len(items) == len(again) == 100_000
    some = range(0, 100_000, 997)
    assert found(again, some) == set(some)


def test_large_payloads_make_frames_of_their_own(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    journal.relies(relied(0), b"{}")
    for n in range(4):
        journal.add(key(n), relied(0), 1, b"%d" % n * (3 << 20))
    with pytest.raises(StoreError, match="too long"):
        journal.add(key(9), relied(0), 1, bytes((64 << 20) + 1))
    journal.write()
    assert [fresh(store).get(key(n))[0].payload for n in range(4)] == [b"%d" % n * (3 << 20) for n in range(4)]


def test_more_than_fits_into_memory_is_not_loaded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    size = written(store, range(10)).stat().st_size
    written(store, range(10, 20))
    monkeypatch.setattr("incnb.store.items.MEMORY_LIMIT", size * 3 // 2)
    items = fresh(store)
    items.refresh()
    assert found(items, range(20)) == set(range(10)) and len(items.problems) == 1


def test_a_name_that_is_no_digest_is_refused(store: Store) -> None:
    items = Items(store, "../../x")
    items.refresh()
    assert len(items.problems) == 1
    journal = items.journal()
    fill(journal, [1])
    with pytest.raises(StoreError):
        journal.write()


# -- damage ----------------------------------------------------------------------------------------------------------


def three_frames(store: Store) -> tuple[Path, list[int]]:
    items = Items(store, LOOP)
    journal, ends = items.journal(), []
    for n in (0, 4, 8):
        fill(journal, range(n, n + 4), on=n)
        journal.write()
        ends.append(paths(store)[0].stat().st_size)
    journal.close()
    return abandoned(paths(store)[0]), ends


def test_a_torn_tail_costs_the_last_frame_only(store: Store) -> None:
    path, (_, second, end) = three_frames(store)
    whole = path.read_bytes()
    for length in range(second, end):
        path.write_bytes(whole[:length])
        items = fresh(store)
        assert found(items, range(12)) == set(range(8))
        assert len(items.problems) == (length > second)
    path.write_bytes(whole)
    assert found(fresh(store), range(12)) == set(range(12))


def test_a_tail_that_is_still_being_written_is_read_later(store: Store) -> None:
    path, (_, second, end) = three_frames(store)
    whole = path.read_bytes()
    live = path.with_name(packs.name_of("journal", 1))
    path.unlink()
    items = Items(store, LOOP)
    for length in (10, second - 1, second, end - 1, end):
        live.write_bytes(whole[:length])
        items.refresh()
    assert found(items, range(12)) == set(range(12)) and items.problems == []


def test_a_flipped_bit_never_gives_a_wrong_item(store: Store) -> None:
    path, ends = three_frames(store)
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        items = fresh(store)
        assert found(items, range(12)) == set(range(4 * sum(end <= at for end in ends)))
        assert len(items.problems) == 1 and "\n" not in items.problems[0]


def test_a_frame_counts_only_at_its_place(store: Store) -> None:
    path, (first, second, end) = three_frames(store)
    whole = path.read_bytes()
    for text in (whole[first:], whole[:first] + whole[second:], whole + whole, whole[:second] + whole[:first]):
        path.write_bytes(text)
        assert found(fresh(store), range(12)) <= set(range(12)) and len(fresh(store).problems) == 1
    path.write_bytes(whole)
    other = store.root / "items" / ("f" * 32)
    folder(store).rename(other)
    items = Items(store, other.name)
    items.refresh()
    assert len(items) == 0 and len(items.problems) == 1 and end == len(whole)


def test_a_frame_of_another_file_is_not_read_with_the_wrong_dependencies(store: Store) -> None:
    starts, nexts = [], []
    for on in "ab":
        journal = Items(store, LOOP).journal()
        fill(journal, [1], on=on)
        journal.write()
        (path,) = paths(store)
        starts.append(path.read_bytes())
        fill(journal, [2], on=on)
        journal.write()
        nexts.append(path.read_bytes()[len(starts[-1]) :])
        path.unlink()
    path.write_bytes(starts[0] + nexts[1])
    items = fresh(store)
    assert found(items, range(3)) == {1} and items.get(key(1))[0].relied == relied("a")


def crafted(version: int, body: bytes, length: int | None = None) -> bytes:
    signed = frames._PREFIX.pack(frames.MAGIC, version, len(body) if length is None else length, bytes(32))[:-32]
    return signed + blake2b(frames.START + signed + body, digest_size=32, key=bytes.fromhex(LOOP)).digest() + body


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        b"nonsense" * 100,
        bytes(5000),
        crafted(1, b""),
        crafted(0, b"x"),
        crafted(1, b"", 1 << 63),
        crafted(1, bytes(100)),
        crafted(1, struct.pack("<QdIIIQ", 1, 0.0, 7, 0, 0, 0)),
        crafted(1, struct.pack("<QdIIIQ", 1, 0.0, 0, 2**32 - 1, 2**32 - 1, 2**64 - 1)),
        crafted(1, struct.pack("<QdIIIQ", 2**64 - 1, 0.0, 0, 0, 0, 0)),
        crafted(1, struct.pack("<QdIIIQ", 1, 0.0, 0, 0, 1, 0) + bytes(28)),
        crafted(1, struct.pack("<QdIIIQ", 1, 0.0, 0, 1, 0, 5) + bytes(20) + b"12345"),
        crafted(1, struct.pack("<QdIIIQ", 1, 0.0, 0, 1, 1, 0) + bytes(20) + bytes(24) + b"\xff\xff\xff\xff"),
    ],
)
def test_nonsense_is_told_and_not_used(store: Store, text: bytes) -> None:
    bad = written(store, [1]).with_name(packs.name_of("journal", 2))
    bad.write_bytes(text)
    abandoned(bad)
    items = fresh(store)
    assert found(items, range(3)) == {1} and len(items) == 1 and len(items.problems) == bool(text)


def test_frames_of_a_later_version_are_skipped_and_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    for n in range(3):
        monkeypatch.setattr(frames, "VERSION", 2 if n == 1 else 1)
        fill(journal, [n])
        journal.write()
    monkeypatch.undo()
    journal.close()
    path = abandoned(paths(store)[0])
    items = fresh(store)
    assert found(items, range(3)) == {0, 2}
    assert [problem.partition("(")[0] for problem in items.problems] == [
        "items were written by a newer incnb: they are not used "
    ]
    for n in range(20):
        abandoned(written(store, [n + 10]))
    fresh(store)
    assert path.exists() and len(paths(store)) < 5


def test_what_does_not_belong_there_is_ignored(store: Store) -> None:
    written(store, [1])
    for name in ("notes.txt", "journal-1-h-1-00.items.bak", ".items", "journal-x-h-1-0123456789.items"):
        (folder(store) / name).write_text("x")
    os.mkfifo(folder(store) / "journal-2-h-1-000000000000.items")
    (folder(store) / "journal-3-h-1-000000000000.items").mkdir()
    (folder(store) / "journal-4-h-1-000000000000.items").symlink_to("/dev/zero")
    items = fresh(store)
    assert found(items, range(3)) == {1} and items.problems == []


def test_a_file_that_cannot_be_read_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, [1])

    def failing(path: Path) -> tuple[int, int]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open_regular", failing)
    items = fresh(store)
    items.refresh()
    assert len(items) == 0 and len(items.problems) == 1 and "Permission denied" in items.problems[0]
    monkeypatch.undo()
    items.refresh()
    assert found(items, [1]) == {1}


def test_a_store_that_cannot_be_used_answers_nothing(store: Store) -> None:
    store.root.write_text("a file")
    items = fresh(store)
    assert items.get(key(1)) == () and len(items.problems) == 1


# -- failing writes --------------------------------------------------------------------------------------------------


def filling_up() -> Callable[[int, bytes], int]:
    """A disk with room for 99 bytes."""
    writing, rooms = os.write, iter([99])

    def write(fd: int, data: bytes) -> int:
        for room in rooms:
            return writing(fd, data[:room])
        raise OSError(28, "No space left on device")

    return write


def test_a_write_taken_in_part_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [1])
    journal.write()
    fill(journal, [2], on=2)
    monkeypatch.setattr(os, "write", filling_up())
    with pytest.raises(StoreError, match="No space left"):
        journal.write()
    assert journal.pending == 1 and items.get(key(2)) == ()
    assert found(fresh(store), range(5)) == {1} and fresh(store).problems == []
    monkeypatch.undo()
    journal.write()
    assert found(fresh(store), range(5)) == {1, 2} == found(items, range(5)) and len(paths(store)) == 1


def test_where_cutting_off_fails_a_new_file_is_begun(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [1])
    journal.write()

    def failing(fd: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    fill(journal, [2])
    monkeypatch.setattr(os, "write", filling_up())
    monkeypatch.setattr(os, "ftruncate", failing)
    with pytest.raises(StoreError):
        journal.write()
    monkeypatch.undo()
    journal.write()
    assert found(fresh(store), range(5)) == {1, 2} == found(items, range(5)) and len(paths(store)) == 2


def test_a_first_write_that_fails_leaves_no_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Items(store, LOOP).journal()
    fill(journal, [1])

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for _ in range(2):
        with pytest.raises(StoreError, match="No space left"):
            journal.write()
        assert paths(store) == []
    monkeypatch.undo()
    journal.write()
    assert found(fresh(store), [1]) == {1}


def test_an_interrupted_write_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    writing = os.write

    def interrupted(fd: int, data: bytes) -> int:
        writing(fd, data)
        raise KeyboardInterrupt

    fill(journal, [1])
    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.write()
    monkeypatch.undo()
    fill(journal, [2])
    journal.write()
    assert found(items, range(5)) == {1, 2} == found(fresh(store), range(5))


LIMITED = """
import resource, sys, pathlib, signal
from incnb.store import Items, Store, StoreError
from tests.store.test_items import LOOP, fill
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
items = Items(Store(pathlib.Path(sys.argv[1])), LOOP)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
journal, failed = items.journal(), 0
for n in range(0, 200, 10):
    fill(journal, range(n, n + 10))
    try:
        journal.write()
    except StoreError as error:
        assert "\\n" not in str(error)
        failed += journal.drop()
print(failed, len(items))
"""


def run(code: str, *arguments: object) -> list[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_where_files_may_not_grow_another_one_is_begun(store: Store) -> None:
    assert run(LIMITED, store.root, 3000) == ["0", "200"]
    items = fresh(store)
    assert found(items, range(200)) == set(range(200)) and items.problems == []
    assert len(paths(store)) > 2


def test_where_nothing_fits_it_is_told_and_what_is_there_stays(store: Store) -> None:
    path = written(store, [1000])
    before = path.read_bytes()
    assert run(LIMITED, store.root, 300) == ["200", "0"]
    assert paths(store) == [path] and path.read_bytes() == before


def test_a_read_only_store_still_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        abandoned(written(store, [n]))
    there = paths(store)

    def read_only(*rest: object, **named: object) -> None:
        raise OSError(30, "Read-only file system")

    opening = os.open

    def reading(path: str, flags: int, *rest: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            read_only()
        return opening(path, flags, *rest)

    for name in ("open", "mkdir", "chmod", "unlink", "replace"):
        monkeypatch.setattr(Path, name, read_only)
    monkeypatch.setattr(os, "open", reading)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    items = fresh(store)
    assert found(items, range(30)) == set(range(20)) and items.problems == []
    journal = items.journal()
    fill(journal, [25])
    with pytest.raises(StoreError, match="Read-only"):
        journal.write()
    assert journal.drop() == 1 and paths(store) == there


def test_a_store_that_is_removed_meanwhile_is_made_again(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [1])
    journal.write()
    store.root.rename(store.root.with_name("elsewhere"))
    subprocess.run(["rm", "-rf", store.root.with_name("elsewhere")], check=True)
    items.refresh()
    fill(journal, [2])
    journal.write()
    assert found(fresh(store), range(5)) == {2} and (store.root / "CACHEDIR.TAG").exists()


# -- several processes -----------------------------------------------------------------------------------------------

WRITER = """
import sys, pathlib
from incnb.store import Items, Store
from tests.store.test_items import LOOP, fill
journal = Items(Store(pathlib.Path(sys.argv[1])), LOOP).journal()
n, end = int(sys.argv[2]), int(sys.argv[3])
while n < end:
    fill(journal, range(n, n + 7), on=n % 5)
    journal.write()
    n += 7
    print(n, flush=True)
"""


def start(store: Store, first: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(store.root), str(first), str(end)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_writers_at_once(store: Store) -> None:
    mine = Items(store, LOOP)
    processes = [start(store, first, first + 2100) for first in (0, 10_000)]
    while any(process.poll() is None for process in processes):
        mine.refresh()
    for process in processes:
        assert process.wait(30) == 0
        process.communicate()
    mine.refresh()
    expected = {*range(2100), *range(10_000, 12_100)}
    for items in (mine, fresh(store)):
        assert found(items, range(13_000)) == expected and items.problems == []
    assert len(paths(store)) == 2


def test_kill_9_loses_nothing_that_was_written(store: Store) -> None:
    acknowledged: set[int] = set()
    for turn, delay in enumerate((0.0, 0.003, 0.011, 0.02)):
        process = start(store, turn * 1_000_000, (turn + 1) * 1_000_000)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().rpartition("\n")[0].split()
        process.wait(10)
        process.stdout.close()
        acknowledged |= set(range(turn * 1_000_000, int([first, *rest][-1])))
        assert found(fresh(store), acknowledged) == acknowledged


def test_a_forked_child_writes_a_file_of_its_own(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [1])
    journal.write()
    child = os.fork()
    if child == 0:
        try:
            fill(journal, [2])
            journal.write()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    fill(journal, [3])
    journal.write()
    items.refresh()
    assert len(paths(store)) == 2
    assert found(items, range(5)) == {1, 2, 3} == found(fresh(store), range(5))


# -- merging ---------------------------------------------------------------------------------------------------------


def test_many_files_become_one_that_answers_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        monkeypatch.setattr(time, "time", lambda n=n: 1e9 + 1000.0 * n)
        abandoned(written(store, [n, n + 1, n + 2], on=n % 3))
    monkeypatch.undo()
    before = Items(store, LOOP)
    before._compacted = True
    before.refresh()
    size = sum(path.stat().st_size for path in paths(store))
    assert len(paths(store)) == 20
    merging = fresh(store)
    (pack,) = paths(store)
    assert pack.name.startswith("pack-") and pack.stat().st_size < size and not merging.problems
    merging.refresh()
    after = fresh(store)
    before.refresh()
    for n in range(30):
        expected = before.get(key(n))
        assert after.get(key(n)) == merging.get(key(n)) == expected
    assert len(after) == len(before) == len(merging) and found(after, range(30)) == set(range(22))
    assert sorted(after.relied_digests) == sorted(before.relied_digests)


def test_merging_drops_what_was_superseded(store: Store) -> None:
    for n in range(18):
        items = Items(store, LOOP)
        items._compacted = True
        items.refresh()
        journal = items.journal()
        journal.relies(relied(0), b"{}")
        journal.add(key(0), relied(0), 1, b"%d" % n * 1000)
        journal.write()
        journal.close()
        abandoned(next(path for path in paths(store) if f"-{os.getpid()}-" in path.name and "journal" in path.name))
    fresh(store)
    assert sum(path.stat().st_size for path in paths(store)) < 5000
    assert [entry.payload for entry in fresh(store).get(key(0))] == [b"17" * 1000]


def test_items_written_within_a_minute_share_a_frame_and_never_look_younger(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(18):
        monkeypatch.setattr(time, "time", lambda n=n: 1e9 + 20 * n)
        abandoned(written(store, [n]))
    monkeypatch.undo()
    fresh(store)
    assert len(paths(store)) == 1
    for n in range(18):
        assert 0 <= 1e9 + 20 * n - fresh(store).get(key(n))[0].created <= 60


def test_files_of_writers_at_work_are_left_alone(store: Store) -> None:
    own = [written(store, [n]) for n in range(20)]
    items = fresh(store)
    assert paths(store) == sorted(own)
    far = own[0].with_name(own[0].name.replace(socket.gethostname()[:3], "zzz", 1))
    for n, path in enumerate(own):
        if n:
            os.utime(path, (0, 0) if n > 10 else None)
    own[0].rename(far)
    items = fresh(store)
    assert far.exists() and all(path.exists() for path in own[1:11]) and len(paths(store)) == 12
    assert found(items, range(30)) == set(range(20)) == found(fresh(store), range(30))


def test_a_writer_whose_file_was_merged_writes_to_a_new_one(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [100])
    journal.write()
    (sleeping,) = paths(store)
    os.utime(sleeping, (0, 0))
    for n in range(20):
        abandoned(written(store, [n]))
    fresh(store)
    assert not sleeping.exists()
    fill(journal, [101])
    journal.write()
    assert found(fresh(store), range(200)) == {*range(20), 100, 101}


def test_what_is_written_while_a_file_is_merged_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    fill(journal, [100])
    journal.write()
    os.utime(paths(store)[0], (0, 0))
    for n in range(20):
        abandoned(written(store, [n]))
    removing, moments = Path.unlink, iter([101])

    def unlink(path: Path, missing_ok: bool = False) -> None:
        for n in moments:
            fill(journal, [n])
            journal.write()
        removing(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    merging = fresh(store)
    monkeypatch.undo()
    assert found(fresh(store), range(200)) == {*range(20), 100, 101}
    merging.refresh()
    assert found(merging, range(200)) == {*range(20), 100, 101}


def test_what_is_written_just_before_a_merge_is_known_to_who_merges(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Items(store, LOOP).journal()
    fill(journal, [100])
    journal.write()
    os.utime(paths(store)[0], (0, 0))
    for n in range(20):
        abandoned(written(store, [n]))
    merging = packs._merge

    def merge(*rest: object) -> str | None:
        fill(journal, [101])
        journal.write()
        return merging(*rest)  # type: ignore[arg-type]

    monkeypatch.setattr(packs, "_merge", merge)
    items = fresh(store)
    items.refresh()
    assert found(items, range(200)) == {*range(20), 100, 101} == found(fresh(store), range(200))


def test_two_may_merge_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        abandoned(written(store, [n]))
    packing, moments = packs._pack, iter([1])

    def pack(*rest: object) -> str | None:
        for _ in moments:
            fresh(store)
        return packing(*rest)  # type: ignore[arg-type]

    monkeypatch.setattr(packs, "_pack", pack)
    items = fresh(store)
    assert found(items, range(30)) == set(range(20)) and items.problems == []
    assert len(paths(store)) == 2 and len(fresh(store)) == 20 and found(fresh(store), range(30)) == set(range(20))


def test_a_file_that_vanishes_is_found_where_it_went(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        abandoned(written(store, [n]))
    listing, moments = packs.listed, iter([1])

    def listed(folder: Path) -> dict[str, os.stat_result]:
        answer = listing(folder)
        for _ in moments:
            fresh(store)
        return answer

    monkeypatch.setattr(packs, "listed", listed)
    items = fresh(store)
    assert found(items, range(30)) == set(range(20)) and items.problems == []


def test_where_nothing_can_be_removed_no_pack_is_added(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(20):
        abandoned(written(store, [n]))
    removing = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if "journal" in path.name:
            raise PermissionError(13, "Permission denied")
        removing(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    items = fresh(store)
    assert len(paths(store)) == 20 and len(items.problems) == 1 and found(items, range(30)) == set(range(20))


def test_what_no_frame_holds_any_more_is_forgotten(store: Store) -> None:
    items = Items(store, LOOP)
    journal = items.journal()
    for _ in range(50):
        fill(journal, range(100))
        journal.write()
    assert sum(map(len, items._frames)) <= 200 and len(items) == 100
