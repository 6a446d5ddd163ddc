"""Names that the watch knows: audit events by what they mean, and what libraries do without it mattering."""

from __future__ import annotations

import os
from typing import Any

from incnb.model import redacted

#: Raised by ourselves: somebody asks what became of the cells of this session, or says something about them.
ASKED = "incnb.asked"
PROCESSES = frozenset(
    [
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "os.spawn",
        "pty.spawn",
    ]
)
NETWORK = frozenset(
    [
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "urllib.Request",
        "http.client.connect",
        "ftplib.connect",
        "smtplib.connect",
    ]
)
ENTROPY_FREE = (
    "jupyter_client/",
    "ipykernel/",
    "comm/",
    "tornado/",
    "IPython/core/formatters.py",
    "/tempfile.py",
    "zmq/",
    "joblib/",
    "loky/",
    "duckdb/_relation.py",  # names of relations; who asks for them is seen by the word
)
BENIGN_ENV = (
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "NUMEXPR_",
    "VECLIB_",
    "BLIS_",
    "KMP_",
    "GOTO_",
    "MPL",
    "HOME",
    "PATH",
    "TMPDIR",
    "TEMP",
    "TMP",
    "XDG_",
    "LANG",
    "LC_",
    "PYTHON",
    "JPY_",
    "JUPYTER",
    "IPY",
    "COLUMNS",
    "LINES",
    "TERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "JOBLIB_",
    "LOKY_",
    "SKLEARN_",
    "SCIPY_",
    "PANDAS_",
    "NUMPY_",
    "NPY_",
    "TQDM_",
    "DISPLAY",
    "WAYLAND_",
    "COLAB_",
    "CUDA_",
    "TORCH_",
    "PYTORCH_",
    "PYDEVD",
    "INCNB",
    "SSL_",
    "COV_",
    "PYTEST_",
    "VIRTUAL_ENV",
    "CONDA_",
    "USER",
    "LOGNAME",
    "TZ",
)
#: Modules that ask for frames without reading variables.
FRAME_FRIENDS = frozenset(
    [
        "collections",
        "typing",
        "enum",
        "dataclasses",
        "functools",
        "IPython",
        "ipykernel",
        "incnb",
        "abc",
        "warnings",
        "traitlets",
        "logging",
        "contextlib",
        "namedtuple",
        "attr",
        "pydantic",
        "unittest",
        "doctest",
        "__future__",
        "types",
        "matplotlib_inline",
        "decorator",
        "typing_extensions",
    ]
)


def text(value: Any) -> str:
    """An argument of an audit event, as text."""
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)[:80]


def address(args: tuple[Any, ...]) -> str:
    """Where a connection goes, by the arguments of its event."""
    return redacted(_place(args))


def _place(args: tuple[Any, ...]) -> str:
    for arg in args:
        if isinstance(arg, tuple) and arg:
            return ":".join(str(part) for part in arg[:2])
        if isinstance(arg, str | bytes) and arg:
            return text(arg)[:80]
    return "somewhere"


def short(args: tuple[Any, ...]) -> str:
    """The arguments of an event, in short."""
    return redacted(" ".join(str(a)[:60] for a in args if isinstance(a, str | bytes | tuple | list | int) and a))[:120]
