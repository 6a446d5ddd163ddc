"""Whose thread it is: an identifier is given away again as soon as its thread has ended."""

from __future__ import annotations

import threading

from incnb.outputs import effects
from incnb.outputs.threads import is_among


def ended() -> threading.Thread:
    """A thread that ran while the kernel's threads were counted, and has ended."""
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    effects.know_kernel_threads()
    assert is_among(thread.ident, effects._KERNEL_THREADS)
    go.set()
    thread.join()
    return thread


def test_a_new_thread_with_the_identifier_of_an_ended_one_is_not_the_kernels() -> None:
    old = ended()
    taken: list[bool] = []
    reused = 0
    for _ in range(50):
        new = threading.Thread(target=lambda: taken.append(is_among(threading.get_ident(), effects._KERNEL_THREADS)))
        new.start()
        new.join()
        reused += new.ident == old.ident
    assert reused and not any(taken)
