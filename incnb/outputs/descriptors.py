"""Whether ipykernel has passed on what C code wrote to the descriptors of the standard streams."""

from __future__ import annotations

import time
from typing import Any, final


@final
class DescriptorWatcher:
    """The thread of ipykernel that reads a file descriptor and writes what it read to the stream.

    Between its read and its write it waits for the interpreter, and nothing tells that apart from waiting for more to
    read. But it has used processor time: when that stands still and the pipe is empty, there is nothing under way.
    """

    __slots__ = ("_clock", "_poll", "_spent")

    def __init__(self, stream: Any) -> None:
        import select

        self._clock: int = time.pthread_getcpuclockid(stream.watch_fd_thread.ident)
        self._poll = select.poll()
        self._poll.register(stream._fid, select.POLLIN)
        self._spent = time.clock_gettime(self._clock)

    def moved(self) -> bool:
        """Whether it did anything since it was last asked, or has something to do."""
        before, self._spent = self._spent, time.clock_gettime(self._clock)
        return self._spent != before or bool(self._poll.poll(0))
