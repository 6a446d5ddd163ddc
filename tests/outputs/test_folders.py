"""What the kernel tells of watched folders, file by file."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from incnb.outputs import folders as room
from incnb.outputs import watches
from incnb.outputs.folders import Folders, Seen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is the kernel's of Linux")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "data"


@pytest.fixture
def folders(top: Path) -> Iterator[Folders]:
    watch = Folders(limit=50)
    assert watch.watch(str(top))
    watch.start()
    yield watch
    watch.close()


def names(paths: tuple[str, ...], top: Path) -> list[str]:
    return [str(Path(path).relative_to(top)) for path in paths]


# -- events


def test_nothing_happened_is_nothing_seen(folders: Folders) -> None:
    assert folders.stop() == Seen()


def test_file_that_is_read_is_opened(folders: Folders, top: Path) -> None:
    (top / "deep" / "a.csv").write_text("1")
    (top / "b.csv").write_text("1")
    folders.start()
    (top / "deep" / "a.csv").read_text()
    (top / "b.csv").read_text()
    (top / "b.csv").read_text()
    assert folders.stop() == Seen(opened=(str(top / "deep" / "a.csv"), str(top / "b.csv")))


def test_file_that_is_written_is_created_and_written(folders: Folders, top: Path) -> None:
    (top / "a.csv").write_text("1")
    (top / "b.csv").write_text("1")
    seen = folders.stop()
    assert names(seen.created, top) == names(seen.written, top) == ["a.csv", "b.csv"]
    (top / "b.csv").write_text("2")
    assert names(folders.stop().written, top) == ["b.csv"]


def test_deleted_and_moved(folders: Folders, top: Path) -> None:
    for name in ("a", "b", "c"):
        (top / name).write_text("1")
    folders.start()
    (top / "a").unlink()
    (top / "b").rename(top / "deep" / "b2")
    seen = folders.stop()
    assert seen == Seen(deleted=(str(top / "a"),), moved=((str(top / "b"), str(top / "deep" / "b2")),))


def test_moved_in_is_created_and_written_moved_out_is_deleted(folders: Folders, top: Path, tmp_path: Path) -> None:
    (top / "out").write_text("1")
    (tmp_path / "elsewhere" / "in").write_text("1")
    folders.start()
    (top / "out").rename(tmp_path / "elsewhere" / "out")
    (tmp_path / "elsewhere" / "in").rename(top / "in")
    seen = folders.stop()
    assert names(seen.deleted, top) == ["out"]
    assert names(seen.created, top) == names(seen.written, top) == ["in"]


def test_many_moves_keep_their_pairs(folders: Folders, top: Path) -> None:
    for i in range(30):
        (top / f"t{i}").write_text("1")
    folders.start()

    def move(part: range) -> None:
        for i in part:
            (top / f"t{i}").replace(top / f"f{i}")

    threads = [threading.Thread(target=move, args=(range(n, 30, 3),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(folders.stop().moved) == {(str(top / f"t{i}"), str(top / f"f{i}")) for i in range(30)}


def test_listing_a_folder_is_told_apart_from_opening_a_file(folders: Folders, top: Path) -> None:
    list((top / "deep").iterdir())
    assert folders.stop() == Seen(listed=(str(top / "deep"),))


def test_start_forgets(folders: Folders, top: Path) -> None:
    (top / "a").write_text("1")
    folders.start()
    assert folders.stop() == Seen()


def test_drain_makes_room_and_loses_nothing(folders: Folders, top: Path) -> None:
    (top / "a").write_text("1")
    folders.drain()
    (top / "b").write_text("1")
    assert names(folders.stop().written, top) == ["a", "b"]


def test_names_that_are_no_text(folders: Folders, top: Path) -> None:
    path = top / os.fsdecode(b"\xff\xfe")
    path.write_text("1")
    assert folders.stop().written == (str(path),)


# -- what nobody reads data from


@pytest.mark.parametrize(
    "name", [".git", ".venv", "node_modules", "__pycache__", ".ipynb_checkpoints", "site-packages"]
)
def test_skipped_folder_is_silent_also_when_it_appears_later(folders: Folders, top: Path, name: str) -> None:
    (top / name / "sub").mkdir(parents=True)
    (top / name / "sub" / "x.bin").write_text("1")
    folders.drain()
    (top / name / "y.bin").write_text("1")
    (top / name / "y.bin").read_text()
    assert folders.stop() == Seen()


def test_environment_under_any_name_is_skipped(top: Path) -> None:
    (top / "env39" / "lib").mkdir(parents=True)
    (top / "env39" / "pyvenv.cfg").write_text("")
    watch = Folders(limit=3)
    for i in range(9):
        (top / "env39" / "lib" / str(i)).mkdir()
    assert watch.watch(str(top))  # it does not count
    watch.start()
    (top / "env39" / "lib" / "0" / "x.csv").write_text("1")
    assert watch.stop() == Seen()
    watch.close()


def test_environment_made_by_the_cell_is_skipped_and_one_that_was_given_is_not(folders: Folders, top: Path) -> None:
    (top / "env" / "lib").mkdir(parents=True)
    (top / "env" / "pyvenv.cfg").write_text("")
    assert folders.stop().created == (str(top / "env"),)
    (top / "env" / "lib" / "x").write_text("1")
    assert folders.stop() == Seen()
    assert folders.watch(str(top / "env"))
    folders.start()
    (top / "env" / "lib" / "x").write_text("1")
    assert names(folders.stop().written, top) == ["env/lib/x"]


def test_notebooks_and_modules_are_not_told(folders: Folders, top: Path) -> None:
    for name in ("n.ipynb", "m.py", "m.pyc"):
        (top / name).write_text("1")
        (top / name).read_text()
    assert folders.stop() == Seen()


def test_moved_to_an_ignored_name_is_deleted(folders: Folders, top: Path) -> None:
    (top / "a.txt").write_text("1")
    folders.start()
    (top / "a.txt").rename(top / "a.py")
    assert names(folders.stop().deleted, top) == ["a.txt"]


# -- folders that come and go


def test_content_of_a_new_folder_is_told_and_then_watched(folders: Folders, top: Path) -> None:
    (top / "new" / "er").mkdir(parents=True)
    (top / "new" / "er" / "a.csv").write_text("1")
    seen = folders.stop()
    assert names(seen.created, top) == ["new", "new/er", "new/er/a.csv"]
    assert names(seen.written, top) == ["new/er/a.csv"]
    assert not seen.overflow
    folders.start()
    (top / "new" / "er" / "a.csv").read_text()
    assert names(folders.stop().opened, top) == ["new/er/a.csv"]


def test_folder_made_under_another_name_and_renamed(folders: Folders, top: Path) -> None:
    (top / "tmp").mkdir()
    (top / "tmp" / "part-0").write_text("1")
    (top / "tmp").rename(top / "done")
    seen = folders.stop()
    assert (str(top / "tmp"), str(top / "done")) in seen.moved
    assert str(top / "done" / "part-0") in seen.written
    assert not seen.overflow


def test_renamed_folder_tells_under_its_new_name(folders: Folders, top: Path) -> None:
    (top / "deep" / "x").mkdir()
    folders.start()
    (top / "deep").rename(top / "wide")
    (top / "wide" / "x" / "a").write_text("1")
    seen = folders.stop()
    assert seen.moved == ((str(top / "deep"), str(top / "wide")),)
    assert names(seen.written, top) == ["wide/x/a"]


def test_folder_moved_out_is_silent(folders: Folders, top: Path, tmp_path: Path) -> None:
    (top / "deep").rename(tmp_path / "elsewhere" / "deep")
    assert names(folders.stop().deleted, top) == ["deep"]
    (tmp_path / "elsewhere" / "deep" / "a").write_text("1")
    assert folders.stop() == Seen()


def test_folder_moved_in_is_in_doubt_as_it_may_have_been_read_before_the_watch(
    folders: Folders, top: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere" / "a").write_text("1")
    (tmp_path / "elsewhere").rename(top / "here")
    seen = folders.stop()
    assert seen.overflow
    assert seen.missed == (str(top / "here"),)
    folders.start()
    (top / "here" / "a").read_text()
    assert names(folders.stop().opened, top) == ["here/a"]


def test_folder_moved_into_one_that_was_just_made_is_in_doubt_as_it_was_told_under_its_old_path(
    folders: Folders, top: Path
) -> None:
    (top / "new").mkdir()
    (top / "deep").rename(top / "new" / "deep")
    (top / "new" / "deep" / "a").write_text("1")
    seen = folders.stop()
    assert seen.overflow
    assert seen.missed == (str(top / "new" / "deep"),)
    (top / "new" / "deep" / "b").write_text("1")
    assert names(folders.stop().written, top) == ["new/deep/b"]


def test_folder_moved_away_and_made_anew_under_its_name(folders: Folders, top: Path, tmp_path: Path) -> None:
    (top / "new").mkdir()
    (top / "new").rename(tmp_path / "elsewhere" / "new")
    (top / "new").mkdir()
    (top / "new" / "a").write_text("1")
    seen = folders.stop()
    assert str(top / "new" / "a") in seen.written
    assert not seen.overflow
    (top / "new" / "a").read_text()
    assert names(folders.stop().opened, top) == ["new/a"]


def test_link_made_in_a_folder_that_is_renamed_afterwards_is_followed(
    folders: Folders, top: Path, tmp_path: Path
) -> None:
    (top / "deep" / "link").symlink_to(tmp_path / "elsewhere")
    (top / "new").mkdir()
    (top / "deep").rename(top / "new" / "wide")
    folders.start()
    (top / "new" / "wide" / "link" / "a").write_text("1")
    assert names(folders.stop().written, top) == ["new/wide/link/a"]


def test_folders_made_by_many_threads_while_the_queue_is_read(folders: Folders, top: Path) -> None:
    def make(part: int) -> None:
        for n in range(5):
            path = top / f"p{part}" / str(n)
            path.mkdir(parents=True)
            (path / "a").write_text("1")

    threads = [threading.Thread(target=make, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        folders.drain()
    seen = folders.stop()
    assert seen.overflow or {str(top / f"p{part}" / str(n) / "a") for part in range(4) for n in range(5)} == set(
        seen.written
    )
    folders.start()
    (top / "p3" / "4" / "a").read_text()
    assert names(folders.stop().opened, top) == ["p3/4/a"]


def test_folder_deleted_and_made_again(folders: Folders, top: Path) -> None:
    for n in range(3):
        shutil.rmtree(top / "deep")
        (top / "deep").mkdir()
        (top / "deep" / f"a{n}").write_text("1")
    assert "deep/a2" in names(folders.stop().written, top)
    (top / "deep" / "a2").read_text()
    assert "deep/a2" in names(folders.stop().opened, top)


def test_given_folder_deleted_is_in_doubt_and_watched_again(folders: Folders, top: Path) -> None:
    shutil.rmtree(top)
    seen = folders.stop()
    assert seen.overflow
    assert str(top) in seen.deleted
    assert not folders.watch(str(top))
    top.mkdir()
    assert folders.watch(str(top))
    folders.start()
    (top / "a").write_text("1")
    assert names(folders.stop().written, top) == ["a"]


def test_given_folder_replaced_by_another_is_noticed(folders: Folders, top: Path, tmp_path: Path) -> None:
    top.rename(tmp_path / "old")
    (tmp_path / "data" / "other").mkdir(parents=True)
    assert folders.watch(str(top))
    folders.start()
    (top / "other" / "a").write_text("1")
    (tmp_path / "old" / "b").write_text("1")
    assert folders.stop().written == (str(top / "other" / "a"),)


# -- links


def test_folder_behind_a_link_is_watched_under_the_path_of_the_link(top: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "sub").mkdir()
    (top / "link").symlink_to(tmp_path / "elsewhere")
    watch = Folders()
    assert watch.watch(str(top))
    watch.start()
    (top / "link" / "sub" / "a").write_text("1")
    assert names(watch.stop().written, top) == ["link/sub/a"]
    watch.close()


def test_folder_with_two_paths_is_told_under_both(top: Path) -> None:
    (top / "latest").symlink_to("deep")
    (top / "deep" / "er").mkdir()
    watch = Folders()
    assert watch.watch(str(top))
    watch.start()
    (top / "latest" / "er" / "a").write_text("1")
    assert set(names(watch.stop().written, top)) == {"deep/er/a", "latest/er/a"}
    watch.close()


def test_links_in_a_circle_end(top: Path) -> None:
    (top / "deep" / "up").symlink_to("..")
    (top / "self").symlink_to(".")
    (top / "nowhere").symlink_to("nowhere")
    watch = Folders(limit=20)
    assert watch.watch(str(top))
    watch.start()
    (top / "deep" / "up" / "a").write_text("1")
    assert "a" in names(watch.stop().written, top)
    watch.close()


def test_file_behind_a_link_is_opened_by_the_link(top: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "a.csv"
    target.write_text("1")
    (top / "a.csv").symlink_to(target)
    watch = Folders()
    assert watch.watch(str(top))
    watch.start()
    (top / "a.csv").read_text()
    assert names(watch.stop().opened, top) == ["a.csv"]
    fresh = tmp_path / "elsewhere" / "b.csv"
    fresh.write_text("2")
    fresh.replace(target)  # the file that was watched is no more
    watch.start()
    (top / "a.csv").read_text()
    assert names(watch.stop().opened, top) == ["a.csv"]
    watch.close()


def test_link_turned_between_two_cells_is_followed(top: Path, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / "elsewhere" / name).mkdir()
        (tmp_path / "elsewhere" / name / "a").write_text("1")
    current = tmp_path / "elsewhere" / "current"
    current.symlink_to("v1")
    (top / "link").symlink_to(current)
    watch = Folders()
    assert watch.watch(str(top))
    current.unlink()
    current.symlink_to("v2")
    watch.start()
    (top / "link" / "a").read_text()
    assert names(watch.stop().opened, top) == ["link/a"]
    watch.close()


def test_link_that_appears_while_the_cell_runs_is_in_doubt_unless_its_target_was_watched(
    folders: Folders, top: Path, tmp_path: Path
) -> None:
    (top / "a").write_text("1")
    (top / "inside").symlink_to("deep")
    (top / "b").symlink_to("a")
    assert not folders.stop().overflow
    (top / "outside").symlink_to(tmp_path / "elsewhere")
    seen = folders.stop()
    assert seen.overflow
    assert seen.missed == (str(top / "outside"),)


def test_link_in_a_new_folder_does_not_make_its_target_new(folders: Folders, top: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "sub").mkdir()
    (tmp_path / "elsewhere" / "sub" / "old").write_text("1")
    (top / "new").mkdir()
    (top / "new" / "link").symlink_to(tmp_path / "elsewhere")
    seen = folders.stop()
    assert seen.overflow
    assert not seen.written
    assert names(seen.created, top) == ["new", "new/link"]


def test_link_to_an_environment_or_a_device_is_left_alone(top: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "pyvenv.cfg").write_text("")
    (tmp_path / ".venv").mkdir()
    (top / "null").symlink_to("/dev/null")
    (top / "env").symlink_to(tmp_path / "elsewhere")
    (top / "link").symlink_to(tmp_path / ".venv")
    watch = Folders(limit=2)
    assert watch.watch(str(top))
    watch.start()
    (top / "null").write_text("1")
    (top / "env" / "a").write_text("1")
    (top / "link" / "a").write_text("1")
    assert watch.stop() == Seen()
    watch.close()


# -- limits


def test_too_many_folders_cannot_be_watched_and_cost_no_watches(tmp_path: Path) -> None:
    for n in range(6):
        (tmp_path / str(n)).mkdir()
    watch = Folders(limit=6)
    assert not watch.watch(str(tmp_path))
    assert not watch.watch(str(tmp_path))
    assert "inotify wd" not in Path(f"/proc/self/fdinfo/{watch._tree.inotify.fileno()}").read_text()
    assert watch.watch(str(tmp_path / "0"))
    watch.start()
    (tmp_path / "1" / "a").write_text("1")
    (tmp_path / "0" / "a").write_text("1")
    assert names(watch.stop().written, tmp_path) == ["0/a"]
    watch.close()
    enough = Folders(limit=7)
    assert enough.watch(str(tmp_path))
    enough.close()


def test_folder_that_grows_too_large_is_in_doubt_and_given_up(top: Path) -> None:
    watch = Folders(limit=5)
    assert watch.watch(str(top))
    watch.start()
    for n in range(9):
        (top / "deep" / str(n)).mkdir()
    seen = watch.stop()
    assert seen.overflow
    assert seen.missed == (str(top),)
    assert not watch.watch(str(top))
    assert watch.available
    watch.close()


def test_overflow_is_told_and_new_folders_are_found_again(folders: Folders, top: Path) -> None:
    (top / "a").write_text("1")
    (top / "b").write_text("1")
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    folders.start()
    for _ in range(queued // 2 + 1):
        for name in ("a", "b"):
            os.close(os.open(top / name, os.O_RDONLY))
    (top / "lost").mkdir()
    assert folders.stop().overflow
    folders.start()
    (top / "lost" / "c").write_text("1")
    seen = folders.stop()
    assert names(seen.written, top) == ["lost/c"]
    assert not seen.overflow


def test_overflow_between_two_cells_is_no_matter(folders: Folders, top: Path) -> None:
    (top / "lost").mkdir()
    folders._lost = True
    folders.start()
    assert folders.watch(str(top))
    (top / "lost" / "c").write_text("1")
    path = (str(top / "lost" / "c"),)
    assert folders.stop() == Seen(opened=path, created=path, written=path)


def test_no_more_watches_to_have(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Folders()
    add = watch._tree.inotify.add_watch

    def few(path: str, mask: int) -> int:
        if path.endswith("deep"):
            raise OSError(28, "No space left on device")
        return int(add(path, mask))

    monkeypatch.setattr(watch._tree.inotify, "add_watch", few)
    assert not watch.watch(str(top))
    assert watch.available
    assert not watch._tree.known
    watch.close()


def test_no_instance_to_have(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "instance", lambda: None)
    watch = Folders()
    assert not watch.available
    assert not watch.watch(str(top))
    watch.start()
    watch.drain()
    assert watch.stop() == Seen()
    watch.close()


@pytest.mark.parametrize("error", [ImportError(), OSError(24, "Too many open files"), AttributeError()])
def test_other_systems_and_limits_give_no_instance(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    import inotify_simple

    def refuse(**options: object) -> None:
        raise error

    monkeypatch.setattr(inotify_simple, "INotify", refuse)
    assert watches.instance() is None


def test_what_is_no_folder_cannot_be_watched(folders: Folders, top: Path) -> None:
    (top / "file").write_text("1")
    assert not folders.watch(str(top / "file"))
    assert not folders.watch(str(top / "nowhere"))
    assert not folders.watch("\0")


def test_folder_below_a_watched_one_is_watched(folders: Folders, top: Path) -> None:
    known = dict(folders._tree.known)
    assert folders.watch(str(top / "deep"))
    assert folders._tree.known == known


def test_folder_given_while_the_cell_runs_loses_nothing_and_says_nothing_of_our_own(
    folders: Folders, top: Path, tmp_path: Path
) -> None:
    (top / "new").mkdir()
    (top / "new" / "a").write_text("1")
    assert folders.watch(str(top / "new"))
    assert folders.watch(str(tmp_path / "elsewhere"))
    seen = folders.stop()
    assert names(seen.written, top) == ["new/a"]
    assert not seen.listed


def test_hook_that_comes_back_while_a_folder_is_listed_does_not_wait_for_itself(top: Path) -> None:
    watch = Folders()
    answers = list[bool]()
    on = [True]

    def hook(event: str, args: object) -> None:
        if event == "os.scandir" and on[0]:
            watch.drain()
            answers.append(watch.watch(str(top)))

    sys.addaudithook(hook)
    assert watch.watch(str(top))
    on[0] = False
    assert answers == [False, False]
    watch.close()


def test_interrupt_while_walking_is_in_doubt_and_made_good(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Folders()
    entries = watches._entries

    def interrupted(path: str) -> object:
        if path.endswith("deep"):
            raise KeyboardInterrupt
        return entries(path)

    with monkeypatch.context() as patch:
        patch.setattr(watches, "_entries", interrupted)
        with pytest.raises(KeyboardInterrupt):
            watch.watch(str(top))
    assert watch.stop().overflow
    assert watch.watch(str(top))
    watch.start()
    (top / "deep" / "a").write_text("1")
    assert names(watch.stop().written, top) == ["deep/a"]
    watch.close()


# -- other processes


def test_what_other_processes_do_is_seen(folders: Folders, top: Path) -> None:
    (top / "a.csv").write_text("1")
    folders.start()
    script = f"open({str(top / 'a.csv')!r}).read(); open({str(top / 'b.csv')!r}, 'w').write('1')"
    subprocess.run([sys.executable, "-c", script], check=True)
    seen = folders.stop()
    assert names(seen.opened, top) == ["a.csv", "b.csv"]
    assert names(seen.written, top) == ["b.csv"]


def test_descriptor_is_closed_on_exec(folders: Folders) -> None:
    assert not os.get_inheritable(folders._tree.inotify.fileno())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_neither_takes_events_nor_ends_the_watch(folders: Folders, top: Path) -> None:
    (top / "before").write_text("1")
    child = os.fork()
    if child == 0:
        good = folders._tree.inotify is None and not folders.watch(str(top)) and folders.stop().overflow
        folders.start()
        folders.drain()
        folders.close()
        (top / "by-the-child").write_text("1")
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (top / "after").write_text("1")
    assert names(folders.stop().written, top) == ["before", "by-the-child", "after"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_worker_is_seen(folders: Folders, top: Path) -> None:
    (top / "a.csv").write_text("1")
    folders.start()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(os.fspath, ["x"])
        pool.map(Path.read_text, [top / "a.csv"])
    assert names(folders.stop().opened, top) == ["a.csv"]
