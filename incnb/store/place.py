"""Where the store lives, and whether that place can be trusted.

What the store holds is unpickled later, and unpickling runs code: a folder in which somebody else can put files is a
door to the user's account. So a root is used only when it is a folder of our own that not everybody may write to, and
its first level must be real folders: a symbolic link named `blobs` would make us write elsewhere. Everything is made
private whatever the umask says, because values may be secrets, and is marked so that git and backups leave it alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from incnb.model import IncnbError

FOLDERS: Final = ("traces", "items", "blobs", "log", "manifests")
CACHEDIR_TAG: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of cell results, made by incnb. Deleting it loses nothing but time.\n"
)


class StoreError(IncnbError):
    """The store, or one object in it, cannot be used: one line that says what, where and what to do."""


def explain(what: str, path: Path | str, error: BaseException, advice: str = "") -> StoreError:
    """The error to raise for a failed system call, as one line."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StoreError(f"{what}: {why} ({path}){': ' + advice if advice else ''}")


def default_root() -> Path:
    """`INCNB_STORE`, else the user's cache folder."""
    chosen = os.environ.get("INCNB_STORE")
    if not chosen:
        import platformdirs

        return platformdirs.user_cache_path("incnb")
    try:
        return Path(chosen).expanduser()
    except RuntimeError:  # `~nobody`: a folder of that name is what is left
        return Path(chosen)


def inspect(root: Path) -> bool:
    """Whether there is a store at `root`; raises StoreError when what is there must not be used."""
    try:
        info = root.stat()
    except FileNotFoundError:
        if root.is_symlink():
            raise StoreError(f"the store is a link that leads nowhere ({root}): remove it or set INCNB_STORE") from None
        return False
    except (OSError, ValueError) as error:
        raise explain("the store cannot be used", root, error, "choose another folder with INCNB_STORE") from error
    _trust(root, info, "the store")
    for name in FOLDERS:
        folder = root / name
        try:
            info = os.lstat(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise explain("the store cannot be used", folder, error) from error
        _trust(folder, info, "a folder of the store")
    return True


def _trust(path: Path, info: os.stat_result, what: str) -> None:
    if not stat.S_ISDIR(info.st_mode):
        raise StoreError(f"{what} is not a folder ({path}): move it away or choose another with INCNB_STORE")
    if info.st_uid != os.geteuid():
        raise StoreError(f"{what} belongs to another user ({path}): choose a folder of your own with INCNB_STORE")
    if info.st_mode & stat.S_IWOTH:
        raise StoreError(f"{what} is writable by everybody ({path}): run chmod o-w on it, or set INCNB_STORE")


def prepare(root: Path) -> None:
    """Make the store at `root` ready for writing, or raise StoreError."""
    if inspect(root) and not (root / "CACHEDIR.TAG").exists() and not _is_empty(root):
        raise StoreError(f"the store's folder holds other things ({root}): choose an empty or new one with INCNB_STORE")
    try:
        make_private(root)
        for name in FOLDERS:
            make_private(root / name)
        _mark(root / ".gitignore", "*\n")
        _mark(root / "CACHEDIR.TAG", CACHEDIR_TAG)
    except (OSError, ValueError) as error:
        advice = "choose another folder with INCNB_STORE"
        raise explain("the store cannot be made", root, error, advice) from error
    # Looked at again: somebody may have been faster in a shared folder such as /tmp.
    inspect(root)


def _is_empty(root: Path) -> bool:
    """Whether a folder holds nothing but what a store may have begun to make."""
    try:
        return {entry.name for entry in os.scandir(root)} <= {*FOLDERS, ".gitignore"}
    except OSError:
        return True  # the next step says what is wrong


def make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, 0700 whatever the umask."""
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_private(folder.parent)
        # once: where nothing can be made (/proc), it is not there for ever
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            return
    folder.chmod(0o700)


def _mark(path: Path, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
