"""The panel: shown as a widget to a person, as a table to everybody else; it changes no decision and breaks no cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel import Run
from notebooks import Notebook, Session, Shell

import incnb
from incnb.engine.rows import rows
from incnb.explain import static_table
from incnb.notebook.panel import DIFF_LINES, ENDED_LIMIT, OPEN_LIMIT, SAME_SHOWN, WIDGET_MIME, slim

Shells = Callable[[], Shell]

BIG = "%%incremental --name big\nimport numpy as np\nbig = np.arange(900000.0)"
SMALL = "%%incremental --name small\nsmall = 1"
PENDING = "import incnb.notebook.extension as e\nsorted(list(e._loaded.values())[0].session.pending.groups)"


class Person:
    """Somebody at a notebook: cells have ids, and a panel that was opened gets messages and sends some."""

    def __init__(self, nb: Session):
        self.nb = nb
        self.comm = ""
        self.state: dict[str, Any] = {}

    def cell(self, code: str, cell_id: str) -> Run:
        return self.nb.run(code, metadata={"cellId": cell_id})

    def open(self, code: str = "%incremental panel") -> Run:
        run = self.cell(code, "panel")
        for kind, content in run.messages:
            if kind == "comm_open" and "uid" in content["data"]["state"]:
                self.comm, self.state = content["comm_id"], content["data"]["state"]
        return run

    def told(self, run: Run) -> list[dict[str, Any]]:
        """What the panel was told while something ran."""
        return [
            content["data"]["content"]
            for kind, content in run.messages
            if kind == "comm_msg" and content["comm_id"] == self.comm and content["data"]["method"] == "custom"
        ]

    def send(self, content: dict[str, Any], kind: str = "comm_msg", comm: str = "") -> str:
        client = self.nb.kernel.client
        data = {"method": "custom", "content": content}
        message = client.session.msg(kind, {"comm_id": comm or self.comm, "data": data})
        client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def idle(self, request: str) -> Run:
        """All that a message which has no reply brought."""
        run = Run("")
        for message in self.nb.kernel._messages("iopub", request, time.monotonic() + 20, run):
            kind = message["header"]["msg_type"]
            if kind == "status" and message["content"]["execution_state"] == "idle":
                return run
            if kind != "status":
                run.messages.append((kind, message["content"]))
        raise AssertionError

    def act(self, action: str, key: str, reason: str = "") -> dict[str, Any]:
        """Press a button; the answer."""
        request = self.send({"do": "act", "ask": 7, "action": action, "key": key, "reason": reason})
        answers = [m for m in self.told(self.idle(request)) if m["do"] == "answer"]
        assert len(answers) == 1 and answers[0]["ask"] == 7
        return answers[0]


@pytest.fixture
def person(notebook: Notebook) -> Iterator[Person]:
    with notebook.kernel() as nb:
        yield Person(nb)


def panel_rows(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for message in told if message["do"] == "rows" for row in message["rows"]]


def effect_of(shells: Shells, cell: str, times: int = 2) -> list[str]:
    shell = shells()
    return [shell.cell(cell) for _ in range(times)]


# -- standing still


def test_without_a_notebook_the_panel_is_a_text_and_a_table(shells: Shells) -> None:
    shell = shells()
    shell.cell("# load <b>flights</b>\nx = 1")
    panel = shell.plain("import incnb; incnb.panel()")
    data, metadata = panel._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert data["text/plain"] == repr(panel)
    assert "1 cell: 1 ▲ executed" in repr(panel) and "nothing is saved" in repr(panel)
    assert "load &lt;b&gt;flights" in data["text/html"] and "<b>flights" not in data["text/html"]
    assert metadata == {"incnb": {"panel": True}}


def test_rows_that_cannot_be_made_leave_one_line(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shells()
    panel = shell.plain("import incnb; incnb.panel()")
    monkeypatch.setattr("incnb.notebook.panel.rows", lambda session: 1 / 0)
    assert "ZeroDivisionError" in repr(panel)
    assert "ZeroDivisionError" in panel._repr_mimebundle_()[0]["text/html"]


def test_the_panel_wants_incnb_to_be_loaded(shells: Shells) -> None:
    shells().close()
    with pytest.raises(incnb.IncnbError, match="load_ext"):
        incnb.panel()


def test_the_line_takes_nothing_more(shells: Shells, capsys: pytest.CaptureFixture[str]) -> None:
    shells().ip.run_cell("%incremental panel now")
    assert "panel takes nothing more" in capsys.readouterr().err


def test_no_cells_are_said_to_be_none(shells: Shells) -> None:
    assert "no tracked cell has run" in repr(shells().plain("import incnb; incnb.panel()"))


def test_saved_seconds_that_nobody_measured_are_unknown(shells: Shells) -> None:
    shell = shells()
    shell.cell("x = 1")
    assert "saved: unknown" in repr(shell.plain("import incnb; incnb.panel()"))


def test_long_notebooks_are_cut_and_counted(shells: Shells) -> None:
    from dataclasses import replace

    shell = shells()
    shell.cell("x = 1")
    extension = shell.plain("from incnb.notebook.extension import extension_of\nextension_of(get_ipython())")
    one = rows(extension.session)[0]
    many = [replace(one, key=str(n)) for n in range(static_table.SHOWN_ROWS + 7)]
    assert static_table.table_html(many).count("<tr>") == static_table.SHOWN_ROWS + 1
    assert "and 7 more cells" in static_table.table_html(many) and "and 7 more cells" in static_table.table_text(many)


def test_what_did_not_move_and_long_diffs_are_told_in_part(shells: Shells) -> None:
    from dataclasses import replace

    from incnb.model import Change

    shell = shells()
    shell.cell("x = 1")
    extension = shell.plain("from incnb.notebook.extension import extension_of\nextension_of(get_ipython())")
    same = tuple(Change("value", f"x{n}") for n in range(SAME_SHOWN + 5))
    moved = Change("code", "f", moved=True, diff="\n".join(f"+{n}" for n in range(DIFF_LINES + 9)))
    told = slim(replace(rows(extension.session)[0], changes=(*same, moved)))
    assert len(told["changes"]) == SAME_SHOWN + 1 and told["unshown"] == 5
    assert told["changes"][-1]["diff"].endswith(" … 9 more lines")
    assert told["changes"][0] == {"kind": "value", "locator": "x0", "moved": False}


# -- a tracked cell that shows it


@pytest.mark.parametrize(
    "cell",
    [
        "import incnb\nincnb.panel()",
        "import incnb\np = incnb.panel()",
        "from incnb import panel\ndef f(): return repr(panel())\nt = f()",
    ],
)
def test_a_tracked_cell_that_asks_for_the_panel_is_not_recorded(shells: Shells, cell: str) -> None:
    shell = shells()
    assert [shell.cell(cell), shell.cell(cell)] == ["executed", "executed"]
    assert "not-saved incnb.panel the panel shows this very session" in shell.reasons


def test_a_tracked_cell_that_displays_a_panel_of_another_cell_is_not_recorded(shells: Shells) -> None:
    shell = shells()
    shell.plain("import incnb; p = incnb.panel()")
    for _ in range(2):
        assert shell.cell("text = repr(p)") in ("executed", "blocked")


# -- actions, without a kernel


def session_of(shell: Shell) -> Any:
    return shell.plain("from incnb.notebook.extension import extension_of\nextension_of(get_ipython()).session")


def test_a_pin_is_kept_over_a_restart_and_can_be_taken_back(shells: Shells) -> None:
    from incnb.engine.actions import act

    shell = shells()
    shell.cell("x = 1", "--name one")
    assert act(session_of(shell), "pin", "title one") == "one: pinned"
    shell = shells()
    shell.cell("x = 1", "--name one")
    assert rows(session_of(shell))[0].pinned
    act(session_of(shell), "unpin", "title one")
    assert not rows(session_of(shell))[0].pinned
    shell = shells()
    shell.cell("x = 1", "--name one")
    assert not rows(session_of(shell))[0].pinned


def test_a_pin_in_the_cell_is_not_taken_back_from_outside(shells: Shells) -> None:
    from incnb.engine.actions import CannotBe, act

    shell = shells()
    shell.cell("x = 1", "--name one --pin")
    assert rows(session_of(shell))[0].pinned
    with pytest.raises(CannotBe, match="--pin"):
        act(session_of(shell), "unpin", "title one")


def test_a_forced_cell_is_asked_for_until_it_has_run(shells: Shells) -> None:
    from incnb.engine.actions import act

    shell = shells()
    shell.cell("x = 1", "--name one")
    assert "executes next time" in act(session_of(shell), "force", "title one")
    assert rows(session_of(shell))[0].asked == ("force",)
    assert shell.cell("x = 1", "--name one") == "executed" and shell.reason.startswith("marked")
    assert rows(session_of(shell))[0].asked == ()


def test_an_accept_that_waits_is_asked_for(shells: Shells) -> None:
    shell = shells()
    shell.cell("x = 1", "--name one")
    shell.plain('get_ipython().run_line_magic("incremental", "accept one --reason words")')
    assert rows(session_of(shell))[0].asked == ("accept",)
    assert shell.cell("x = (1)  # edited", "--name one") == "reused"
    assert rows(session_of(shell))[0].asked == ()


def test_an_accept_from_a_row_where_nothing_differs_accepts_no_later_edit(shells: Shells) -> None:
    from incnb.engine.accepted import Refused
    from incnb.engine.actions import act

    shell = shells()
    shell.cell("x = 1", "--name 'the one'")
    with pytest.raises(Refused, match=r"nothing that it relied on differs .* accept 'the one' --reason") as refused:
        act(session_of(shell), "accept", "title the one", "looks fine")
    assert "\n" not in str(refused.value)
    assert rows(session_of(shell))[0].asked == ()
    assert shell.cell("x = 1000", "--name 'the one'") == "executed"


def test_an_accept_from_a_row_covers_what_differs(shells: Shells) -> None:
    from incnb.engine.actions import act

    shell = shells()
    shell.plain("k = 1")
    shell.cell("x = k", "--name one")
    shell.plain("k = 2")
    assert "is accepted for k" in act(session_of(shell), "accept", "title one", "only words")
    assert shell.cell("x = k", "--name one") == "reused"


@pytest.mark.parametrize(
    ("action", "key", "why"),
    [
        ("force", "title nobody", "not known"),
        ("explode", "title one", "no action"),
        ("accept", "title one", "wants a reason"),
    ],
)
def test_what_cannot_be_done_is_said(shells: Shells, action: str, key: str, why: str) -> None:
    from incnb.engine.actions import CannotBe, act

    shell = shells()
    shell.cell("x = 1", "--name one")
    with pytest.raises(CannotBe, match=why):
        act(session_of(shell), action, key)


# -- live


@pytest.mark.kernel
def test_a_person_gets_a_widget_with_the_rows_so_far(person: Person) -> None:
    person.cell(SMALL, "s")
    run = person.open()
    shown = next(content for kind, content in run.messages if kind == "display_data")
    assert shown["data"][WIDGET_MIME]["model_id"] == person.comm
    assert "small" in shown["data"]["text/plain"] and "small" in shown["data"]["text/html"]
    assert [row["title"] for row in person.state["state"]["rows"]] == ["small"]
    assert "incnb-panel" in person.state["_css"] and "export default" in person.state["_esm"]


@pytest.mark.kernel
def test_a_finished_cell_tells_its_row_alone(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    told = person.told(person.cell("%%incremental --name next\nn = small + 1", "n"))
    assert [message["do"] for message in told] == ["running", "rows"]
    assert told[0]["running"] == {"key": "id n", "title": "next"}
    assert [row["title"] for row in panel_rows(told)] == ["next"]
    assert told[1]["order"] == ["id s", "id n"] and told[1]["seq"] == person.state["state"]["seq"] + 1
    assert panel_rows(told)[0]["reads"] == [{"key": "id s", "names": ["small"]}]
    assert person.told(person.cell("plain = 1", "p")) == []


@pytest.mark.kernel
def test_an_action_is_answered_and_has_its_effect(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    answer = person.act("force", "id s")
    assert answer["ok"] and "executes next time" in answer["text"]
    told = person.told(person.cell(SMALL, "s"))
    assert person.nb.decision["status"] == "executed" and person.nb.reason == "marked small"
    assert panel_rows(told)[0]["asked"] == []


@pytest.mark.kernel
def test_an_action_that_cannot_be_is_answered_too(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    answer = person.act("accept", "id s", "")
    assert not answer["ok"] and "wants a reason" in answer["text"]
    assert not person.act("force", "id nobody")["ok"]
    assert person.idle(person.send({"do": 1, "ask": []})) and person.cell(SMALL, "s")


@pytest.mark.kernel
def test_an_action_during_a_cell_waits_for_its_end(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    request = person.nb.kernel.start("import time; time.sleep(1); late = small", metadata={"cellId": "slow"})
    person.send({"do": "act", "ask": 1, "action": "force", "key": "id s"})
    person.nb.kernel.wait(request)
    person.cell(SMALL, "s")
    assert person.nb.decision["status"] == "executed" and person.nb.reason == "marked small"


@pytest.mark.kernel
def test_an_action_during_an_awaiting_cell_waits_for_its_end(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    look = "list(__import__('incnb.notebook.extension').notebook.extension._loaded.values())[0].panels"
    code = f"import asyncio, threading\np = {look}\nthreading.Thread(target=p._received, args=(p._widgets[0], dict(do='act', ask=1, action='force', key='id s'))).start()\nawait asyncio.sleep(.3)\nprint(len(p._requests))"
    run = person.cell(code, "a")
    assert run.stdout == "1\n"
    assert [message["do"] for message in person.told(run)] == ["rows", "answer"]


@pytest.mark.kernel
def test_a_thread_of_the_kernel_for_messages_is_not_the_cells(person: Person) -> None:
    kernel = person.nb.kernel
    if "kernel subshells" not in kernel.client.kernel_info(reply=True)["content"].get("supported_features", []):
        pytest.skip("this kernel has no subshells")
    request = kernel.start("%%incremental --name slow\nimport time\ntime.sleep(1)\nslow = 1", metadata={"cellId": "x"})
    time.sleep(0.3)
    client = kernel.client
    client.control_channel.send(client.session.msg("create_subshell_request"))
    kernel.wait(request)
    assert [r["code"] for r in person.nb.notebook.decisions()[-1]["reasons"]] == ["never-run"]


@pytest.mark.kernel
def test_a_request_from_another_thread_is_followed_by_the_main_loop(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    look = "list(__import__('incnb.notebook.extension').notebook.extension._loaded.values())[0].panels"
    later = f"import threading\np = {look}\nthreading.Timer(.3, p._received, (p._widgets[0], dict(do='act', ask=1, action='pin', key='id s'))).start()"
    person.cell(later, "t")
    time.sleep(1)
    told = person.nb.kernel.client.get_iopub_msg(timeout=5)
    assert told["content"]["data"]["content"]["rows"][0]["pinned"] is True


# -- the promise


@pytest.mark.kernel
@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, any cell that executes loads everything")
def test_an_open_panel_that_is_clicked_changes_no_decision_and_loads_nothing(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        person = Person(nb)
        for code, name in ((BIG, "b"), (SMALL, "s")):
            assert person.cell(code, name) and nb.decision["status"] == "executed"
    with notebook.kernel() as nb:
        person = Person(nb)
        person.cell("import numpy", "n")
        person.open()
        person.cell(BIG, "b")
        assert nb.decision["status"] == "reused"
        assert nb.run(PENDING).result == {"text/plain": "['big']"}, "a panel that is open keeps nothing from waiting"
        assert person.act("pin", "id b")["ok"] and person.act("unpin", "id b")["ok"]
        person.open()
        assert person.act("pin", "id b")["ok"]
        assert nb.run(PENDING).result == {"text/plain": "['big']"}, "neither does a click, or another panel"
        for _ in range(2):
            person.cell(SMALL, "s")
            assert nb.decision["status"] == "reused"
        assert nb.run("big[1]").result == {"text/plain": "np.float64(1.0)"}


@pytest.mark.kernel
@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, any cell that executes loads everything")
def test_a_reloaded_page_gets_the_rows_and_loads_nothing(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        Person(nb).cell(BIG, "b")
    with notebook.kernel() as nb:
        person = Person(nb)
        person.cell("import numpy", "n")
        person.open()
        person.cell(BIG, "b")
        client = nb.kernel.client
        opened = client.session.msg(
            "comm_open",
            {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}},
            metadata={"version": "1.0.0"},
        )
        client.shell_channel.send(opened)
        person.idle(opened["header"]["msg_id"])
        asked = client.session.msg("comm_msg", {"comm_id": "control", "data": {"method": "request_states"}})
        client.shell_channel.send(asked)
        answer = person.idle(asked["header"]["msg_id"]).messages[0][1]
        state = answer["data"]["states"][person.comm]["state"]["state"]
        assert [row["title"] for row in state["rows"]] == ["big"]
        closed = client.session.msg("comm_close", {"comm_id": "control", "data": {}})
        client.shell_channel.send(closed)
        person.idle(closed["header"]["msg_id"])
        assert nb.run(PENDING).result == {"text/plain": "['big']"}


@pytest.mark.kernel
def test_a_widget_of_the_users_still_loads_what_is_pending(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        Person(nb).cell(BIG, "b")
    with notebook.kernel() as nb:
        person = Person(nb)
        person.cell("import numpy, ipywidgets", "n")
        person.open()
        person.cell(BIG, "b")
        run = person.cell("slider = ipywidgets.IntSlider()", "w")
        theirs = next(
            c["comm_id"]
            for k, c in run.messages
            if k == "comm_open" and "SliderStyle" not in str(c["data"]) and "IntSlider" in str(c["data"])
        )
        person.idle(person.send({}, comm=theirs))
        assert nb.run(PENDING).result == {"text/plain": "[]"}


@pytest.mark.kernel
def test_a_tracked_cell_that_displays_a_panel_is_not_recorded(person: Person) -> None:
    person.nb.run("%incremental on")
    for _ in range(2):
        person.cell("import incnb\nincnb.panel()", "p")
        assert person.nb.decision["status"] in ("executed", "blocked")
        assert "not-saved incnb.panel" in person.nb.reasons


@pytest.mark.kernel
def test_the_first_panel_in_a_kernel_changes_nothing_for_later_cells(notebook: Notebook) -> None:
    cells = {
        "w": "%%incremental\nimport warnings, logging, os\nw = len(warnings.filters), logging.getLogger().level",
        "d": "%%incremental\nimport pandas as pd\nd = pd.DataFrame({'a': [1]})\nd",
    }
    for expected in ("executed", "reused"):
        with notebook.kernel() as nb:
            person = Person(nb)
            if expected == "reused":
                person.open()
            for name, code in cells.items():
                person.cell(code, name)
                assert nb.decision["status"] == expected, nb.reasons


# -- when things go wrong


@pytest.mark.kernel
def test_a_fault_of_the_panel_ends_it_and_touches_no_cell(person: Person) -> None:
    person.nb.run("import os; del os.environ['INCNB_DEBUG']")
    person.cell(SMALL, "s")
    person.open()
    person.nb.run(
        "import incnb.notebook.panel as p\ndef broken(*args): raise ZeroDivisionError('ours')\np.row = broken"
    )
    run = person.cell("%%incremental --name next\nn = 2\nn", "n")
    assert run.result == {"text/plain": "2"} and person.nb.decision["status"] == "executed" and run.stderr == ""
    ended = [message for message in person.told(run) if message["do"] == "ended"]
    assert len(ended) == 1 and "ZeroDivisionError: ours" in ended[0]["text"]
    assert person.told(person.cell("%%incremental --name third\nm = 2", "m")) == []


@pytest.mark.kernel
def test_a_comm_that_was_closed_is_told_nothing_more(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    person.idle(person.send({}, kind="comm_close"))
    assert person.told(person.cell(SMALL, "s")) == []
    person.open()
    assert panel_rows(person.told(person.cell(SMALL, "s")))


@pytest.mark.kernel
def test_the_same_panel_in_two_outputs_is_one_widget(person: Person) -> None:
    shown = []
    for code in ("import incnb\np = incnb.panel()\np", "p"):
        run = person.open(code)
        shown.append(run.messages[-1][1]["data"][WIDGET_MIME]["model_id"])
    assert shown[0] == shown[1]
    assert len(person.told(person.cell(SMALL, "s"))) == 2


@pytest.mark.kernel
def test_of_many_panels_the_oldest_ends(person: Person) -> None:
    person.open()
    first = person.comm
    for _ in range(4):
        run = person.open()
    ended = [c for k, c in run.messages if k == "comm_msg" and c["comm_id"] == first]
    assert "newer ones were opened" in ended[0]["data"]["content"]["text"]
    assert "comm_close" not in [kind for kind, _ in run.messages], "the front end would drop what it shows"
    assert panel_rows(person.told(person.cell(SMALL, "s")))


@pytest.mark.kernel
def test_panels_that_have_ended_do_not_gather_without_end(person: Person) -> None:
    person.open()
    first = person.comm
    run = person.cell(f"import incnb\nfor _ in range({OPEN_LIMIT + ENDED_LIMIT - 1}): display(incnb.panel())", "m")
    assert first not in [content["comm_id"] for kind, content in run.messages if kind == "comm_close"]
    run = person.open()
    assert first in [content["comm_id"] for kind, content in run.messages if kind == "comm_close"]


@pytest.mark.kernel
def test_an_ended_panel_comes_back_with_its_rows_and_its_notice(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open("import incnb\np = incnb.panel()\np")
    look = "{**p._widget.get_state(['state'])['state']}"
    person.cell(f"p._extension.panels.end(p._widget, 'It has ended.')\nended = {look}", "e")
    person.cell("%%incremental --name later\nlater = 1", "l")
    told = person.cell(f"[ended == {look}, ended['over'], [r['title'] for r in ended['rows']]]", "t").result
    assert told == {"text/plain": "[True, 'It has ended.', ['small']]"}


@pytest.mark.kernel
def test_a_panel_that_is_closed_leaves_the_front_end(person: Person) -> None:
    person.open("import incnb\np = incnb.panel()\np")
    ended = person.cell("p._extension.panels.end(p._widget, 'It has ended.')\np.close()", "c")
    assert person.comm in [content["comm_id"] for kind, content in ended.messages if kind == "comm_close"]
    assert person.cell("from incnb.outputs import leftovers\nleftovers.OUR_COMMS", "o").result == {
        "text/plain": "set()"
    }


@pytest.mark.kernel
@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="there, any cell that executes loads everything")
def test_a_panel_that_has_ended_keeps_nothing_from_waiting(notebook: Notebook) -> None:
    with notebook.kernel() as nb:
        Person(nb).cell(BIG, "b")
    with notebook.kernel() as nb:
        person = Person(nb)
        person.cell("import numpy, incnb\np = incnb.panel()", "n")
        person.open("p")
        person.cell("p._extension.panels.end(p._widget, 'It has ended.')", "e")
        person.cell(BIG, "b")
        assert nb.decision["status"] == "reused"
        assert nb.run(PENDING).result == {"text/plain": "['big']"}
        person.idle(person.send({"do": "sync"}))
        assert nb.run(PENDING).result == {"text/plain": "['big']"}


@pytest.mark.kernel
def test_unloading_ends_the_panel(person: Person) -> None:
    person.cell(SMALL, "s")
    person.open()
    run = person.cell("%unload_ext incnb", "u")
    assert [message["do"] for message in person.told(run)] == ["ended"]
    assert "comm_close" not in [kind for kind, _ in run.messages], "the front end would drop what it shows"
    assert person.told(person.idle(person.send({"do": "sync"}))) == [], "nobody listens to it any more"
    assert person.cell("%load_ext incnb\n%incremental panel", "p").error is None


@pytest.mark.kernel
def test_without_anywidget_the_table_stands_still_and_says_how(person: Person) -> None:
    person.cell("import sys; sys.modules['anywidget'] = None", "x")
    person.cell(SMALL, "s")
    shown = person.open().messages[-1][1]["data"]
    assert WIDGET_MIME not in shown and "small" in shown["text/html"]
    assert shown["text/plain"].endswith('pip install "incnb[panel]"') and "incnb[panel]" in shown["text/html"]


@pytest.mark.kernel
def test_where_nobody_sits_there_is_no_widget(person: Person) -> None:
    person.cell(SMALL, "s")
    run = person.nb.run("%incremental panel")
    assert [kind for kind, _ in run.messages] == ["execute_input", "display_data"]
    assert set(run.messages[1][1]["data"]) == {"text/plain", "text/html"}


@pytest.mark.kernel
def test_a_batch_run_leaves_no_widget_state_in_the_file(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    for name, value in notebook.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(incnb.__file__).parents[1]))
    cells = ["%load_ext incnb", SMALL, "%incremental panel"]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(nb, timeout=60, resources={"metadata": {"path": str(notebook.work)}}).execute()
    assert "widgets" not in nb.metadata
    assert set(nb.cells[-1].outputs[0]["data"]) == {"text/plain", "text/html"}
