"""A reused cell sends the very messages that its execution sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kernel import Kernel, Run

pytestmark = pytest.mark.kernel

HERE = Path(__file__).parent
PREPARE = """
import contextlib, io, logging, os, sys, threading, time
from IPython.display import HTML, clear_output, display, update_display
log = logging.getLogger('old')
log.addHandler(logging.StreamHandler(sys.stderr))
log.propagate = False
class Rich:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'text/plain': 'rich', 'text/html': '<b>rich</b>'}, {'text/html': {'isolated': True}}
class Picture:
    def _repr_png_(self):
        return b'\\x89PNG\\r\\n\\x1a\\n'
    def __repr__(self):
        return 'picture'
"""

CELLS = {
    "prints": "print('a')\nprint('b', end='')\nprint('c', 'd')",
    "progress": "for i in range(3):\n    print(f'\\r{i}', end='', flush=True)\nsys.stderr.write('\\r100%\\n');",
    "interleaved": (
        "print('a')\nprint('b', file=sys.stderr)\ndisplay('c')\nprint('d')\ndisplay(HTML('<i>e</i>'))\n"
        "print('f', file=sys.stderr, flush=True)\nprint('g')"
    ),
    "unflushed": "print('a')\nprint('b', file=sys.stderr)\nprint('c')\nprint('d', file=sys.stderr)",
    "flushed": "print('a', flush=True)\nprint('b', file=sys.stderr, flush=True)\nprint('c', flush=True)",
    "flushed by time": "print('a')\ntime.sleep(0.5)\nprint('b', file=sys.stderr)\ntime.sleep(0.5)\nprint('c')",
    "display": "display(HTML('<b>x</b>'), Rich(), metadata={'k': {'v': 1}})",
    "bytes": "display(Picture())\nPicture()",
    "update": (
        "handle = display('one', display_id='kept')\nupdate_display('two', display_id='kept')\nhandle.update(Rich())"
    ),
    "clear": "print('gone')\nclear_output(wait=True)\nprint('stays')\nclear_output()\ndisplay(1)",
    "result": "print('first')\nRich()",
    "quiet": "print('only this')\n42;",
    "none": "None",
    "figure": (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nprint('before')\n"
        "plt.figure(figsize=(1, 1)); plt.plot([1, 2]);"
    ),
    "handler": "print('x')\nlog.warning('careful')",
    "thread": (
        "def work():\n    print('from a thread')\n    display('also')\n"
        "t = threading.Thread(target=work)\nt.start()\nt.join()"
    ),
    "redirected": (
        "with contextlib.redirect_stdout(io.StringIO()) as f:\n    print('no')\nprint(len(f.getvalue()), 'letters')"
    ),
    "await": "import asyncio\nprint('a')\nawait asyncio.sleep(0.01)\ndisplay('b')\nRich()",
    "html magic": "get_ipython().run_cell_magic('html', '', '<u>u</u>')",
    "shell": "!echo from the shell",
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel(env={"PYTHONPATH": f"{HERE.parents[1]}:{HERE}"}) as kernel:
        kernel.run("%load_ext capture_extension")
        kernel.run(PREPARE)
        yield kernel


def record(kernel: Kernel, name: str, code: str) -> Run:
    run = kernel.run(f"'capture {name}'\n{code}")
    assert evaluate(kernel, f"problems[{name!r}]") == "None"
    return run


def evaluate(kernel: Kernel, expression: str) -> Any:
    return kernel.run("", silent=True, user_expressions={"x": expression}).expressions["x"]


@pytest.mark.parametrize("name", CELLS)
def test_replay_sends_the_messages_of_the_run(kernel: Kernel, name: str) -> None:
    plain = kernel.run(CELLS[name])
    recorded = record(kernel, name, CELLS[name])
    assert recorded.shown == plain.shown, "recording changes nothing"
    assert evaluate(kernel, "traces()") == "[]"
    replayed = kernel.run(f"play({name!r})")
    assert replayed.shown == plain.shown
    if name != "none":
        assert replayed.shown


def test_a_traceback_in_the_midst_of_a_cell_makes_no_recording(kernel: Kernel) -> None:
    kernel.run("class Bad:\n    def __repr__(self):\n        raise ValueError('no repr')")
    run = kernel.run("'capture bad'\ndisplay(Bad())\nprint('goes on')", allow_error=True)
    assert [kind for kind, _ in run.messages] == ["error", "stream"] or run.error is not None
    assert "traceback" in evaluate(kernel, "problems['bad']")


def test_a_replayed_result_has_the_number_of_its_cell(kernel: Kernel) -> None:
    record(kernel, "numbered", "Rich()")
    run = kernel.run("play('numbered')")
    ((_, content),) = [message for message in run.messages if message[0] == "execute_result"]
    assert content["execution_count"] == run.execution_count


def test_every_result_is_recorded_with_ast_node_interactivity_all(kernel: Kernel) -> None:
    kernel.run("get_ipython().ast_node_interactivity = 'all'")
    try:
        record(kernel, "all", "1\nprint('x')\nRich()")
    finally:
        kernel.run("get_ipython().ast_node_interactivity = 'last_expr'")
    assert evaluate(kernel, "[e.type for e in recordings['all']]") == "['result', 'stream', 'result']"


def test_a_later_cell_updates_a_replayed_display(kernel: Kernel) -> None:
    record(kernel, "updated later", "handle = display('one', display_id='lasting')")
    first = kernel.run("play('updated later')").messages
    later = kernel.run("update_display('two', display_id='lasting')").messages
    ids = [content["transient"]["display_id"] for kind, content in first + later if kind.endswith("display_data")]
    assert ids == ["lasting", "lasting"]


def test_what_the_capture_magic_takes_is_not_displayed(kernel: Kernel) -> None:
    run = record(kernel, "outer", "get_ipython().run_cell_magic('capture', 'taken', 'print(1)\\ndisplay(2)\\n3')")
    assert run.shown == []
    assert evaluate(kernel, "recordings['outer']") == "[]"
    assert evaluate(kernel, "(taken.stdout, len(taken.outputs))") == r"('1\n', 2)"


def test_a_cell_under_the_capture_magic_is_recorded(kernel: Kernel) -> None:
    run = kernel.run("%%capture taken\n'capture inner'\nprint(1)\ndisplay(2)\nRich()")
    assert run.shown == []
    assert evaluate(kernel, "[e.type for e in recordings['inner']]") == "['stream', 'display', 'result']"
    assert evaluate(kernel, "traces()") == "[]"
    kernel.run("%%capture again\nplay('inner')")
    assert evaluate(kernel, "again.stdout == taken.stdout and again.outputs[1].data == taken.outputs[1].data") == "True"


def test_writes_below_python_are_recorded(kernel: Kernel) -> None:
    for _ in range(5):
        record(kernel, "below", "os.write(1, b'from C\\n'); os.write(2, b'too\\n');")
        run = kernel.run("play('below')")
        assert (run.stdout, run.stderr) == ("from C\n", "too\n")


def test_output_is_live_while_it_is_recorded(kernel: Kernel) -> None:
    request = kernel.start("'capture slow'\nprint('early', flush=True)\nimport time\ntime.sleep(30)")
    for _ in range(20):
        message = kernel.client.get_iopub_msg(timeout=10)
        if message["header"]["msg_type"] == "stream":
            break
    assert message["content"]["text"] == "early\n"
    kernel.interrupt()
    run = kernel.wait(request)
    assert run.error is not None and run.error[0] == "KeyboardInterrupt"
    assert evaluate(kernel, "traces()") == "[]"


def test_an_error_leaves_no_hook_behind(kernel: Kernel) -> None:
    run = kernel.run("'capture failing'\nprint('x')\n1 / 0", allow_error=True)
    assert run.error is not None and run.error[0] == "ZeroDivisionError"
    assert "streams.py" not in run.error[2]
    assert evaluate(kernel, "traces()") == "[]"


def test_an_error_of_a_write_is_shown_without_us(kernel: Kernel) -> None:
    run = kernel.run("'capture wrong'\nsys.stdout.write(5)", allow_error=True)
    assert run.error is not None and run.error[0] == "TypeError"
    assert "streams.py" not in run.error[2]
