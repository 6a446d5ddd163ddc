"""Capturing and replaying in a plain shell and, at its edges, without a kernel's streams."""

from __future__ import annotations

import base64
import contextlib
import gc
import io
import json
import os
import sys
import threading
import timeit
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from incnb.outputs.events import OURS, Event, Replayed, replay
from incnb.outputs.streams import WIDGET, Capture


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield shell
    shell.reset()
    InteractiveShell.clear_instance()


class Screen:
    """The two streams that the person sees, files in memory with `getvalue`. pytest makes new ones for every phase of
    a test, hence asked for when used.
    """

    def __getitem__(self, index: int) -> Any:
        return (sys.stdout, sys.stderr)[index]


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Screen:
    return Screen()


def capture(shell: InteractiveShell, code: str, into: Capture | None = None) -> list[Event]:
    capture = into or Capture(shell)
    capture.start()
    try:
        shell.run_cell(code)
    finally:
        events = capture.stop()
    return events


def text(*events: Event) -> list[tuple[str, str]]:
    return [(event.name or event.type, event.text) for event in events]


def test_prints_and_displays_are_events_in_order(shell: InteractiveShell, out: Any) -> None:
    events = capture(
        shell,
        "import sys\nfrom IPython.display import display, HTML\n"
        "print('a')\nprint('b', file=sys.stderr)\ndisplay(HTML('<b>c</b>'))\nprint('d', end='')\nprint('e')\n6 * 7",
    )
    assert text(*events) == [("stdout", "a\n"), ("stderr", "b\n"), ("display", ""), ("stdout", "de\n"), ("result", "")]
    assert events[2].data == {
        "text/plain": "<IPython.core.display.HTML object>",
        "text/html": "<b>c</b>",
    }
    assert events[4].data == {"text/plain": "42"}


def test_the_person_sees_everything_live(shell: InteractiveShell, out: Any) -> None:
    code = "import sys\nprint('a')\nprint('b', file=sys.stderr)\ndisplay('c')\n'd'"
    shell.run_cell(code)
    plain = [stream.getvalue() for stream in out]
    for stream in out:
        stream.truncate(0)
        stream.seek(0)
    capture(shell, code)
    assert [stream.getvalue() for stream in out] == plain


def test_replay_shows_in_a_plain_shell_what_the_run_showed(shell: InteractiveShell, out: Any) -> None:
    code = (
        "import sys\nfrom IPython.display import clear_output\n"
        "print('a\\rb')\nprint('e', file=sys.stderr)\ndisplay('c')\nclear_output()\nprint('d')"
    )
    events = capture(shell, code)
    shown = [stream.getvalue() for stream in out]
    for stream in out:
        stream.truncate(0)
        stream.seek(0)
    replay(shell, [Event.from_dict(json.loads(json.dumps(event.to_dict()))) for event in events])
    assert [stream.getvalue() for stream in out] == shown


def test_the_result_is_formatted_again_as_recorded(shell: InteractiveShell) -> None:
    data, metadata = {"text/plain": "t", "text/html": "<i>t</i>"}, {"text/html": {"isolated": True}}
    assert shell.display_formatter is not None
    assert shell.display_formatter.format(Replayed(data, metadata)) == (data, metadata)
    assert repr(Replayed(data, metadata)) == "t"


def test_every_result_of_a_cell_is_recorded(shell: InteractiveShell, out: Any) -> None:
    shell.ast_node_interactivity = "all"
    events = capture(shell, "1\nprint('between')\n2")
    assert [event.data.get("text/plain", event.text) for event in events] == ["1", "between\n", "2"]


def test_what_a_repr_prints_is_recorded(shell: InteractiveShell, out: Any) -> None:
    events = capture(shell, "class C:\n    def __repr__(self):\n        print('loud')\n        return 'C!'\nC()")
    assert text(*events) == [("stdout", "loud\n"), ("result", "")]
    assert events[1].data == {"text/plain": "C!"}


def test_what_the_code_redirects_is_not_displayed_output(shell: InteractiveShell, out: Any) -> None:
    events = capture(
        shell,
        "import io, contextlib\nfrom IPython.utils.capture import capture_output\n"
        "with contextlib.redirect_stdout(io.StringIO()) as f:\n    print('no')\n"
        "with capture_output() as c:\n    print('no'); display('no')\n"
        "print(f.getvalue().strip(), len(c.outputs))",
    )
    assert text(*events) == [("stdout", "no 1\n")]


def test_a_result_under_the_capture_magic_is_recorded(shell: InteractiveShell, out: Any) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as captured, shell.display_trap:
        hook = sys.displayhook
        # as %%capture has it: its hook is in place of the shell's while the cell runs
        from IPython.core.displayhook import CapturingDisplayHook

        ours = CapturingDisplayHook(shell=shell, outputs=captured._outputs)
        sys.displayhook = ours
        recording = Capture(shell)
        recording.start()
        sys.displayhook(42)
        events = recording.stop()
        assert sys.displayhook is ours
        sys.displayhook = hook
    assert [event.data for event in events] == [{"text/plain": "42"}]
    assert len(captured.outputs) == 1


def test_prints_of_a_thread_are_recorded(shell: InteractiveShell, out: Any) -> None:
    events = capture(
        shell,
        "import threading\nt = threading.Thread(target=lambda: (print('from a thread'), display('also')))\n"
        "t.start(); t.join()",
    )
    assert text(*events) == [("stdout", "from a thread\n"), ("display", "")]


def test_an_old_reference_to_the_stream_is_recorded(shell: InteractiveShell, out: Any) -> None:
    shell.run_cell(
        "import logging, sys\nlog = logging.getLogger('x')\nlog.addHandler(logging.StreamHandler(sys.stderr))"
    )
    assert text(*capture(shell, "log.warning('careful')")) == [("stderr", "careful\n")]


def test_bytes_written_below_a_text_file_are_recorded_once(
    shell: InteractiveShell, monkeypatch: Any, tmp_path: Any
) -> None:
    with (tmp_path / "terminal").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        events = capture(
            shell,
            "import sys\nprint('a', flush=True)\nsys.stdout.buffer.write('ü\\n'.encode())\n"
            "sys.stdout.writelines(['b', 'c'])\nprint(flush=True);",
        )
        assert text(*events) == [("stdout", "a\nü\nbc\n")]
        assert not {"write", "flush"} & set(vars(file)) and "write" not in vars(file.buffer)
        file.seek(0)
        assert file.read() == "a\nü\nbc\n"


def test_bytes_that_are_no_text_are_a_problem(shell: InteractiveShell, monkeypatch: Any, tmp_path: Any) -> None:
    with (tmp_path / "terminal").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        recording = Capture(shell)
        capture(shell, "import sys\nsys.stdout.buffer.write(b'\\xff');", recording)
    assert recording.problem is not None and "not text" in recording.problem


def test_our_own_displays_are_never_recorded(shell: InteractiveShell, out: Any) -> None:
    code = f"display({{'text/plain': 'footer'}}, raw=True, metadata={{{OURS!r}: {{}}}})\nprint('x')"
    assert text(*capture(shell, code)) == [("stdout", "x\n")]


def test_a_widget_is_noticed(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    capture(shell, f"display({{{WIDGET!r}: {{'model_id': '1'}}, 'text/plain': 'w'}}, raw=True)", recording)
    assert recording.widget


def test_bundles_are_recorded_as_the_kernel_sends_them(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    recording.start()
    data = {
        "text/plain": "x",
        "image/png": b"\x89PNG",
        "application/json": {1: (1, 2.5, None, True), "when": datetime(2020, 1, 1, tzinfo=UTC), "nan": float("nan")},
    }
    shell.display_pub.publish(data)
    data["text/plain"] = "changed later"
    (event,) = recording.stop()
    assert event.data == {
        "text/plain": "x",
        "image/png": base64.b64encode(b"\x89PNG").decode(),
        "application/json": {"1": [1, 2.5, None, True], "when": "2020-01-01T00:00:00Z", "nan": "nan"},
    }
    assert Event.from_dict(json.loads(json.dumps(event.to_dict(), allow_nan=False))) == event
    assert recording.problem is None


def test_numpy_scalars_are_numbers(shell: InteractiveShell, out: Any) -> None:
    numpy = pytest.importorskip("numpy")
    recording = Capture(shell)
    recording.start()
    shell.display_pub.publish({"application/json": [numpy.float64(1.5), numpy.int64(2), numpy.arange(2)]})
    (event,) = recording.stop()
    assert json.dumps(event.data) == '{"application/json": [1.5, 2, [0, 1]]}'


@pytest.mark.parametrize("value", [object(), iter([1]), {1: "a", "1": "b"}, {(1, 2): 3}])
def test_what_is_not_json_is_a_problem_and_still_shown(shell: InteractiveShell, out: Any, value: object) -> None:
    recording = Capture(shell)
    recording.start()
    shell.display_pub.publish({"text/plain": "shown", "application/x": value})
    assert recording.stop() == []
    assert recording.problem is not None and recording.problem.startswith("a display could not be recorded")
    assert out[0].getvalue() == "shown\n"


def test_a_fault_of_the_recording_never_breaks_a_print(shell: InteractiveShell, out: Any, monkeypatch: Any) -> None:
    def fault(*_: object) -> None:
        raise OSError("broken")

    monkeypatch.setattr(Capture, "_count", fault)
    recording = Capture(shell)
    capture(shell, "print('a')\ndisplay('b')", recording)
    assert recording.problem == "a write could not be recorded: OSError: broken"
    assert out[0].getvalue() == "a\n'b'\n"


def test_an_error_of_the_stream_itself_reaches_the_code(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    recording.start()
    with pytest.raises(TypeError):
        sys.stdout.write(5)  # type: ignore[arg-type]
    assert recording.stop() == [] and recording.problem is None


def test_a_stream_that_takes_no_attribute_is_a_problem(shell: InteractiveShell, monkeypatch: Any, out: Any) -> None:
    seen = out[0]

    class Slotted:
        __slots__ = ()

        def write(self, text: str) -> int:
            return int(seen.write(text))

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdout", Slotted())
    recording = Capture(shell)
    recording.start()
    print("a")
    recording.stop()
    assert recording.problem is not None
    assert seen.getvalue() == "a\n"


def test_endless_output_is_given_up_and_still_shown(shell: InteractiveShell, out: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("incnb.outputs.streams.SIZE_LIMIT", 1000)
    recording = Capture(shell)
    capture(shell, "for i in range(100): print(i)", recording)
    assert recording.problem is not None and "MiB of output" in recording.problem
    assert out[0].getvalue().splitlines() == [str(i) for i in range(100)]


def test_stop_leaves_no_trace(shell: InteractiveShell, out: Any) -> None:
    watched = [*out, shell.display_pub, shell.displayhook]
    before = [set(vars(owner)) for owner in watched]
    hook = sys.displayhook
    recording = Capture(shell)
    recording.start()
    print("x")
    assert recording.stop() == recording.stop() == [Event("stream", "stdout", "x\n")]
    assert [set(vars(owner)) for owner in watched] == before
    assert sys.displayhook is hook
    print("y")
    assert recording.stop() == [Event("stream", "stdout", "x\n")]
    with pytest.raises(RuntimeError):
        recording.start()


def test_stop_without_start_and_after_a_failed_start(shell: InteractiveShell, out: Any) -> None:
    assert Capture(shell).stop() == []
    recording = Capture(types.SimpleNamespace(display_pub=None, displayhook=None))
    recording.start()
    print("x")
    assert text(*recording.stop()) == [("stdout", "x\n")]
    assert recording.problem is not None
    assert "write" not in vars(out[0])


def test_a_wrapper_put_on_during_the_cell_stays_and_keeps_working(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    recording.start()
    ours = sys.stdout.write
    theirs = lambda text: ours(text.upper())  # noqa: E731
    sys.stdout.write = theirs  # type: ignore[method-assign,assignment]
    print("a", end="")
    events = recording.stop()
    print("b", end="")
    assert text(*events) == [("stdout", "A")]
    assert sys.stdout.write is theirs
    assert out[0].getvalue() == "AB"


def test_a_shadow_of_the_shell_below_ours_is_put_back(shell: InteractiveShell, out: Any) -> None:
    stream = sys.stdout
    plain = stream.write
    below = lambda text: plain(text)  # noqa: E731  as the shell's own history does
    stream.write = below  # type: ignore[method-assign,assignment]
    try:
        recording = Capture(shell)
        recording.start()
        print("a")
        assert text(*recording.stop()) == [("stdout", "a\n")]
        assert stream.write is below
    finally:
        del stream.write


def test_the_same_object_as_both_streams_is_recorded_once(shell: InteractiveShell, monkeypatch: Any) -> None:
    both = io.StringIO()
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    assert text(*capture(shell, "import sys\nprint('a')\nprint('b', file=sys.stderr)")) == [("stdout", "a\nb\n")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_not_affected(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    recording.start()
    print("before")
    child = os.fork()
    if child == 0:
        clean = "write" not in vars(sys.stdout) and not recording._notes and "publish" not in vars(shell.display_pub)
        os._exit(0 if clean else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("after")
    assert text(*recording.stop()) == [("stdout", "before\nafter\n")]


def test_many_threads_lose_nothing(shell: InteractiveShell, out: Any) -> None:
    recording = Capture(shell)
    recording.start()
    threads = [
        threading.Thread(target=lambda n=n: [sys.stdout.write(f"{n}:{i}\n") for i in range(500)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (event,) = recording.stop()
    assert sorted(event.text.split()) == sorted(f"{n}:{i}" for n in range(4) for i in range(500))


def test_a_write_costs_little(shell: InteractiveShell, out: Any) -> None:
    def cost() -> float:
        gc.collect()
        return min(timeit.repeat(lambda: sys.stdout.write("some text\n"), number=5000, repeat=5)) / 5000

    plain = cost()
    recording = Capture(shell)
    recording.start()
    with contextlib.ExitStack() as stack:
        stack.callback(recording.stop)
        assert cost() - plain < 4e-6  # 0.4 µs when nothing else runs


def test_an_unknown_type_of_output_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown type"):
        Event.from_dict({"type": "hologram"})
