"""Watches what notebooks relied on, and says when something is another one than it was.

Where something happens is told by `watchfiles`, which looks at folders: a file that is saved by a rename is another
file each time, and one that does not exist yet has a folder as well. An event means only that it is worth a look; what
counts is the content, so a file that was touched is no change. All of it is looked at once a minute as well, because a
network folder sends no events, a queue of events can run over, and a source may be something that has none.

What was seen last is kept, so that what changed while nobody watched is found at the next start. For a file and a
source the last run says what it was; for a notebook and a module, what the watch saw.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import xxhash

from incnb.batch.relied import Relied, Thing, beside, grown, relied
from incnb.dependencies import file, source
from incnb.dependencies.bindings import Resolved
from incnb.engine.history import History
from incnb.engine.marks import mark
from incnb.engine.saved_file import saved_cells
from incnb.fingerprint import files
from incnb.model import IncnbError, Kind
from incnb.store import Store, StoreError
from incnb.store.files import read_limited, write_whole

EVERY: Final = 60.0
#: ms: events that come together, and the quiet that ends them.
TOGETHER, QUIET = 800, 60
_SEEN_LIMIT: Final = 64 << 20
#: Files with a log beside them, as of SQLite.
DATABASES: Final = (".db", ".db3", ".sqlite", ".sqlite3")
EVERYTHING: Final = ""
NEEDS: Final = 'watching files needs watchfiles: pip install "incnb[watch]"'


class Unwatched(IncnbError):
    """Nothing can be watched; the message says what is missing."""


class Notebook:
    """What is known of one watched notebook."""

    def __init__(self, path: Path):
        self.path = path
        self.known = Relied(str(path), str(path.parent))
        self.seen: dict[str, str] = {}
        self.gone: dict[str, str] = {}  # what is not there now, and what came of it
        self.missing = False
        self.loaded = False


class Watcher:
    """Watches notebooks and all that they relied on.

    `notify(notebook, what)` for each change; `ran(notebook, when)` when somebody else ran it; `own`: the sessions that
    are nobody else's; `busy(notebook)`: whether a run of ours is on its way. All is called on the watcher's thread, or
    on that which calls `look`.
    """

    def __init__(
        self,
        notebooks: Iterable[Path],
        store: Store,
        notify: Callable[[str, str], None],
        ran: Callable[[str, float], None] = lambda notebook, when: None,
        *,
        own: set[str] | None = None,
        busy: Callable[[str], bool] = lambda notebook: False,
        every: float = EVERY,
    ):
        self.notebooks = {str(path): Notebook(path) for path in notebooks}
        self._store, self._notify, self._ran, self._every = store, notify, ran, every
        self._busy = busy
        self._own = own if own is not None else set()
        self._inbox: queue.SimpleQueue[set[str] | None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._eyes: list[_Eye] = []
        self._watched: dict[str, bool] = {}
        self._thread: threading.Thread | None = None
        self._reload_after = 0.0
        self._again: threading.Timer | None = None
        self.problem = ""

    # -- its life

    def start(self, *, watch: bool = True) -> None:
        """Begin to watch; without `watch`, look once. Raises `Unwatched` without watchfiles."""
        if not watch:
            self.reload()
            return
        try:
            import watchfiles  # noqa: F401
        except ImportError:
            raise Unwatched(NEEDS) from None
        self._stop.clear()
        self.reload()
        self._aim()
        self._thread = threading.Thread(target=self._work, name="IPython incnb watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch nothing more."""
        self._stop.set()
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(5)
        for eye in self._eyes:
            eye.close()
        for eye in self._eyes:
            eye.join(2)
        self._eyes, self._watched = [], {}

    def _work(self) -> None:
        looked = time.monotonic()
        while not self._stop.is_set():
            try:
                paths = self._inbox.get(timeout=max(0.0, looked + self._every - time.monotonic()))
            except queue.Empty:
                paths, looked = set[str](), time.monotonic()
                self._guard(self.reload)
                self._guard(self.look)
            if self._stop.is_set():
                return
            if paths:
                self._guard(lambda paths=paths: self._happened(paths))  # type: ignore[misc]
            self._guard(self._aim)

    def _guard(self, step: Callable[[], object]) -> None:
        try:
            step()
            self.problem = ""
        except Exception as error:  # the next look may do better
            self.problem = str(error) if isinstance(error, IncnbError) else f"{type(error).__name__}: {error}"

    def _happened(self, paths: set[str]) -> None:
        if EVERYTHING in paths:
            self.reload()
            return
        log = str(self._store.root / "log")
        if any(os.path.dirname(path) == log for path in paths):
            # it may be long, and a running notebook writes to it with every cell
            if time.monotonic() >= self._reload_after:
                self.reload()
            elif self._again is None or not self._again.is_alive():
                wait = max(0.1, self._reload_after - time.monotonic())
                self._again = threading.Timer(wait, self._inbox.put, ({os.path.join(log, "again")},))
                self._again.daemon = True
                self._again.start()
        others = {path for path in paths if os.path.dirname(path) != log}
        if others:
            self.look(others)

    # -- what is watched

    def reload(self) -> None:
        """Read again what the notebooks relied on. Raises `StoreError`."""
        began = time.monotonic()
        records = self._store.history()
        for name, one in self.notebooks.items():
            now = relied(self._store, one.path, records)
            with self._lock:
                new = {session: when for session, when in now.sessions.items() if session not in self._own}
                latest = max(new.values(), default=0.0)
                before = max((w for s, w in one.known.sessions.items() if s not in self._own), default=0.0)
                one.known = now
                if not one.loaded:
                    one.loaded, one.seen = True, self._kept(name)
            if latest > before:
                self._ran(name, latest)
            self.look(None, name)
        self._reload_after = time.monotonic() + max(1.0, 20 * (time.monotonic() - began))

    def status(self) -> dict[str, Any]:
        """For each notebook what is watched, what cannot be, and what is gone."""
        with self._lock:
            return {
                name: {
                    "watched": len(one.known.things) + 1,
                    "things": [thing.name for thing in one.known.things],
                    "unwatchable": list(one.known.unwatchable),
                    "gone": dict(one.gone),
                    "missing": one.missing,
                }
                for name, one in self.notebooks.items()
            }

    def _aim(self) -> None:
        """Watch the folders in which something may happen, if these are other ones than before."""
        wanted: dict[str, bool] = {}

        def add(folder: str, deep: bool) -> None:
            while not os.path.isdir(folder):
                # where it is going to be is seen from above
                above = os.path.dirname(folder)
                if above == folder:
                    return
                folder, deep = above, False
            wanted[folder] = wanted.get(folder, False) or deep

        add(str(self._store.root / "log"), False)
        with self._lock:
            for one in self.notebooks.values():
                add(str(one.path.parent), False)
                for thing in one.known.things:
                    add(*thing.place)
        if wanted == self._watched and all(eye.is_alive() for eye in self._eyes):
            return
        old, self._eyes, self._watched = self._eyes, [], wanted
        for deep in (False, True):
            folders = sorted(folder for folder, is_deep in wanted.items() if is_deep is deep)
            if folders:
                self._eyes.append(_Eye(folders, deep, self._inbox.put))
        for eye in old:
            eye.close()

    # -- looking

    def settle(self, notebook: str) -> None:
        """A run of ours has ended: what it wrote itself is no change."""
        with self._lock:
            one = self.notebooks[notebook]
            for thing in one.known.things:
                if thing.locator in one.known.written:
                    one.seen[thing.key] = _fp(current(thing))
            self._keep(notebook, one)

    def look(self, paths: set[str] | None = None, only: str | None = None) -> None:
        """Compare with what was seen last: all, or what may have to do with paths at which something happened."""
        with self._lock:
            for name, one in self.notebooks.items():
                if only is not None and name != only:
                    continue
                moved = False
                if paths is None or any(os.path.dirname(path) == str(one.path.parent) for path in paths):
                    moved |= self._look_at_notebook(name, one)
                for thing in one.known.things:
                    if thing.locator in one.known.written and self._busy(name):
                        continue
                    if paths is None or _concerns(thing, paths):
                        moved |= self._look_at(name, one, thing)
                if moved:
                    self._keep(name, one)

    def _look_at_notebook(self, name: str, one: Notebook) -> bool:
        cells = saved_cells(name)
        if cells is None:  # being written, or gone
            one.missing = not one.path.exists()
            return False
        one.missing = False
        text = json.dumps([cell.text for cell in cells]).encode("utf-8", "surrogatepass")
        return self._compare(name, one, "notebook", xxhash.xxh3_128_hexdigest(text), "", "its code cells changed")

    def _look_at(self, name: str, one: Notebook, thing: Thing) -> bool:
        now = current(thing)
        # of a database the log beside it counts as well, which nothing recorded
        recorded = "" if thing.locator.endswith(DATABASES) else thing.fp
        gone = now.detail == "deleted" or now.fp is None or now.shown == "no such file"
        moved = self._compare(
            name, one, thing.key, _fp(now), recorded, f"{thing.name} {'is gone' if gone else 'changed'}"
        )
        if not gone:
            one.gone.pop(thing.name, None)
        elif thing.name not in one.gone:
            one.gone[thing.name] = self._mark(one, thing) if moved else "it was not there before either"
        return moved

    def _compare(self, name: str, one: Notebook, what: str, now: str, recorded: str, change: str) -> bool:
        # what the last run found is no change, and none is counted twice
        seen = one.seen.get(what)
        one.seen[what] = now
        if now not in (recorded, seen) and (recorded or seen is not None):
            self._notify(name, change)
            return True
        return seen != now

    def _mark(self, one: Notebook, thing: Thing) -> str:
        """Whoever reads what is gone is decided afresh next time."""
        history = History(self._store)
        reason, titles = f"{thing.name} is gone", []
        try:
            for cell_id, title in thing.readers:
                mark(history, one.known.named, cell_id, title, hard=False, reason=reason)
                titles.append(title)
        except StoreError as error:
            return f"its readers could not be marked: {error}"
        return f"its readers were marked: {', '.join(titles)}" if titles else "nobody is known to read it"

    # -- what is kept

    def _file(self, name: str) -> Path:
        digest = xxhash.xxh3_128_hexdigest(name.encode("utf-8", "surrogateescape"))
        return self._store.root / "refresher" / f"{digest}.seen"

    def _kept(self, name: str) -> dict[str, str]:
        try:
            found = json.loads(read_limited(self._file(name), _SEEN_LIMIT))
            return {str(what): str(fp) for what, fp in found.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}

    def _keep(self, name: str, one: Notebook) -> None:
        things = {thing.key for thing in one.known.things} | {"notebook"}
        one.seen = {what: fp for what, fp in one.seen.items() if what in things}
        with suppress(OSError, StoreError):
            beside(self._store)
            write_whole(self._file(name), json.dumps(one.seen).encode("utf-8", "surrogatepass"))


def current(thing: Thing) -> Resolved:
    """What a thing is now, seen from outside of the notebook's kernel."""
    text, cwd = thing.locator, thing.cwd
    if thing.kind is Kind.SOURCE:
        return source.resolve(f"append:{os.path.join(cwd, grown(text))}")
    if text.startswith(file.GLOB):
        pattern, _, marks = text.removeprefix(file.GLOB).partition(" (")
        found = files.globbed(pattern, recursive="r" in marks, hidden="h" in marks, root=cwd)
        return file.of_names(found)
    if text.startswith(file.PATH_GLOB):
        root, _, rest = text.removeprefix(file.PATH_GLOB).rpartition(": ")
        return file.resolve(f"{file.PATH_GLOB}{os.path.join(cwd, root)}: {rest}")
    for prefix in (file.LISTING, *file.LOOKS.values()):
        if text.startswith(prefix):
            return file.resolve(prefix + os.path.join(cwd, text.removeprefix(prefix)))
    path = os.path.join(cwd, text)
    now = file.resolve(path)
    if path.endswith(DATABASES) and now.fp is not None:
        # what was committed may be in the log, until somebody moves it into the file
        wal = files.identity(f"{path}-wal")
        if wal is not None and wal[2]:
            return replace(now, fp=f"{now.fp} {file.resolve(f'{path}-wal').fp}")
    return now


def _fp(now: Resolved) -> str:
    return now.fp if now.fp is not None else now.detail


def _concerns(thing: Thing, paths: set[str]) -> bool:
    folder, deep = thing.place
    above = folder
    while not os.path.isdir(above) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    inside = folder.rstrip(os.sep) + os.sep
    return any(
        os.path.dirname(path) in (folder, above) or path == folder or (deep and path.startswith(inside))
        for path in paths
    )


class _Eye:
    """One thread of watchfiles on some folders."""

    def __init__(self, folders: list[str], deep: bool, tell: Callable[[set[str]], None]):
        self._folders, self._deep, self._tell = folders, deep, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="IPython incnb eye", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._stop.set()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _work(self) -> None:
        from watchfiles import watch

        try:
            batches = watch(
                *self._folders,
                watch_filter=None,
                recursive=self._deep,
                debounce=TOGETHER,
                step=QUIET,
                rust_timeout=300,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
            self._first(batches)
            for batch in batches:
                if batch:
                    self._tell({path for _, path in batch})
        except Exception:  # a folder that is gone again, or no more watches: the look of every minute is left
            time.sleep(1)

    def _first(self, batches: Iterator[object]) -> None:
        """Nobody tells when the watch stands, but that something came, or nothing for a while: what happened before
        is found by a look at everything."""
        next(batches, None)
        self._tell({EVERYTHING})
