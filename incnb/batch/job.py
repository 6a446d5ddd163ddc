"""One refresh of one notebook, in a process of its own: `python -m incnb.batch.job`, with its orders on standard input.

The notebook is executed with every cell tracked and written nowhere; what stays is what the store has of it, so that
the person's next run is a hit. Each decision goes to standard output as a line of JSON, and a last line says how it
ended.

It lives no longer than whoever started it. Standard input is a pipe that nobody writes to after the orders: when it
ends, the other side is gone or wants an end, however that came about, also by SIGKILL. Then the cell is interrupted and
the kernel shut down, and after a few seconds it ends by force, with everything below it that is there then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from incnb.batch.run import Running

GRACE: Final = 4.0
#: The person's own work comes first.
NICE: Final = 10


def main() -> int:
    """Follow the orders; the status to exit with."""
    orders: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)  # nothing else gets in between the lines
    with suppress(OSError, AttributeError):
        os.nice(NICE)

    def tell(told: dict[str, Any]) -> None:
        with suppress(OSError):
            out.write(json.dumps(told) + "\n")

    from incnb.batch.orders import Orders
    from incnb.batch.run import Running, execute
    from incnb.model import shorten

    path = Path(orders["notebook"])
    running = Running(str(path))
    threading.Thread(target=_until_gone, args=(running,), name="incnb watches for its parent", daemon=True).start()
    try:
        known = Orders(notebook=str(path), options=orders["options"])
        done = execute(path, None, known, lambda decision: tell({"decision": decision}), running=running)
    except BaseException as fault:  # it is told, and there is nobody above
        tell({"end": True, "error": shorten(f"{type(fault).__name__}: {fault}")})
        return 1
    tell({"end": True, "error": shorten(done.brief), "plainly": done.plainly})
    return done.status


def _until_gone(running: Running) -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    running.end()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and children(os.getpid()):
        time.sleep(0.05)
    below, todo = list[int](), [os.getpid()]
    while todo:
        found = children(todo.pop())
        below += found
        todo += found
    for pid in below:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    os._exit(130)


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run, as far as the system tells."""
    found = list[int]()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


if __name__ == "__main__":
    sys.exit(main())
