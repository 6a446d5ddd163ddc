"""nbconvert and papermill with every cell tracked: how they are asked for, what they honour, when they go plainly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode, v4, write
from tools import PREPROCESSOR, ROOT, Tools

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

COUNT = "with open('count.txt', 'a') as file:\n    file.write('x')"
OURS, STOCK = "incnb.batch.IncrementalExecutePreprocessor", "nbconvert.preprocessors.ExecutePreprocessor"


def cell(name: str, text: str, *tags: str) -> NotebookNode:
    return v4.new_code_cell(text, id=name, metadata={"tags": list(tags)} if tags else {})


def notebook(path: Path, *cells: NotebookNode, kernel: str = "python3") -> Path:
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    write(v4.new_notebook(cells=list(cells), metadata={"kernelspec": spec}), path)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path / "home")


def ran(folder: Path) -> int:
    """How often the counting cell ran; counting starts anew."""
    file = folder / "count.txt"
    times = len(file.read_text()) if file.exists() else 0
    file.unlink(missing_ok=True)
    return times


def outputs(path: Path) -> dict[str, str]:
    found = {}
    for one in json.loads(path.read_text())["cells"]:
        if one["cell_type"] == "code":
            texts = [o.get("text") or o.get("data", {}).get("text/plain") or [o.get("ename")] for o in one["outputs"]]
            found[one["id"]] = "".join("".join(text) for text in texts)
    return found


def logged(tools: Tools) -> list[dict[str, Any]]:
    lines = [line for file in Path(tools.env["INCNB_STORE"]).glob("log/*.jsonl") for line in file.open()]
    runs = [json.loads(line) for line in lines]
    return sorted((one for one in runs if one.get("type") == "run"), key=lambda one: float(one["time"]))


# -- nbconvert


def exported(
    monkeypatch: pytest.MonkeyPatch, tools: Tools, path: Path, exporter: str, **settings: Any
) -> tuple[str, Any]:
    """Convert within this process: text and resources."""
    from nbconvert.exporters import get_exporter
    from traitlets.config import Config

    for name, value in tools.env.items():
        monkeypatch.setenv(name, value)
    config = Config()
    for name, value in settings.items():
        section, _, trait = name.partition("__")
        config[section][trait] = value
    done: tuple[str, Any] = get_exporter(exporter)(config=config).from_filename(str(path))
    return done


@pytest.mark.parametrize(
    "settings",
    [
        {"Exporter__preprocessors": [OURS]},
        {"Exporter__preprocessors": [OURS], "ExecutePreprocessor__enabled": True},
        {"Exporter__preprocessors": [OURS, STOCK], "ExecutePreprocessor__enabled": True},
        {"Exporter__preprocessors": [STOCK, OURS]},
        {"Exporter__default_preprocessors": [STOCK, OURS], "ExecutePreprocessor__enabled": True},
        {"Exporter__default_preprocessors": [OURS, STOCK], "Exporter__preprocessors": [OURS]},
    ],
    ids=["alone", "with --execute", "before nbconvert's own", "after it", "by default", "twice"],
)
def test_a_notebook_runs_once_wherever_the_preprocessor_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools, settings: dict[str, Any]
) -> None:
    path = notebook(tmp_path / "nb.ipynb", cell("count", COUNT), cell("x", "1 + 1"))
    exported(monkeypatch, tools, path, "notebook", **settings)
    assert ran(tmp_path) == 1
    assert [one["id"] for one in logged(tools)] == ["count", "x"]
    assert {one["notebook"] for one in logged(tools)} == {str(path)}


@pytest.mark.thorough
def test_the_preprocessor_in_its_disabled_place_leaves_nbconverts_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools
) -> None:
    path = notebook(tmp_path / "nb.ipynb", cell("count", COUNT))
    listed = {"Exporter__default_preprocessors": [STOCK, OURS], "IncrementalExecutePreprocessor__enabled": False}
    exported(monkeypatch, tools, path, "notebook", ExecutePreprocessor__enabled=True, **listed)
    assert ran(tmp_path) == 1 and not logged(tools)


def test_what_comes_after_execution_in_nbconvert_works_on_the_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools
) -> None:
    show = "from IPython.display import display\ndisplay({'image/png': b'png'}, raw=True)"
    path = notebook(tmp_path / "nb.ipynb", cell("show", show), cell("x", "print('shown')"))
    for _ in range(2):
        text, resources = exported(monkeypatch, tools, path, "markdown", Exporter__preprocessors=[OURS])
        assert len(resources["outputs"]) == 1 and "shown" in text


@pytest.mark.thorough
def test_behind_another_preprocessor_the_notebook_runs_as_that_one_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools
) -> None:
    def changed(nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        nb.cells[0].source = "print('changed')"
        return nb, resources

    path = notebook(tmp_path / "nb.ipynb", cell("x", "print('as written')"))
    listed = {"Exporter__preprocessors": [changed, OURS], "ExecutePreprocessor__enabled": True}
    text, _ = exported(monkeypatch, tools, path, "notebook", **listed)
    assert json.loads(text)["cells"][0]["outputs"][0]["text"] == ["changed\n"]


def test_options_of_the_preprocessor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools) -> None:
    from traitlets import TraitError

    ours = {"Exporter__preprocessors": [OURS]}
    path = notebook(tmp_path / "nb.ipynb", cell("x", "import uuid\nlen(str(uuid.uuid4()))"))
    become = []
    for settings in ({}, {"allow": ["random"]}, {"allow": ["random"]}, {"options": "--allow random"}, {"force": True}):
        told = {f"IncrementalExecutePreprocessor__{name}": value for name, value in settings.items()}
        exported(monkeypatch, tools, path, "notebook", **ours, **told)
        become.append(logged(tools)[-1]["status"])
    assert become == ["blocked", "executed", "reused", "reused", "blocked"]
    with pytest.raises(TraitError, match="--allow does not know 'randon'"):
        exported(monkeypatch, tools, path, "notebook", **ours, IncrementalExecutePreprocessor__allow=["randon"])


def test_the_command_of_the_readme(tmp_path: Path, tools: Tools) -> None:
    command = re.search(r"jupyter nbconvert (--to notebook --Exp\S+) analysis.ipynb", (ROOT / "README.md").read_text())
    assert command and command[1].split()[-1] == PREPROCESSOR
    path = notebook(tmp_path / "nb.ipynb", cell("count", COUNT), cell("x", "1 + 1"), cell("y", "_ * 2"))
    first = tools.nbconvert(path, *command[1].split())
    again = tools.nbconvert(path, *command[1].split(), "--execute", "--inplace")
    page = tools.nbconvert(path, PREPROCESSOR, "--to", "html", "--execute")
    assert ran(tmp_path) == 3
    assert first.counts == {"executed": 3}
    assert again.counts == page.counts == {"reused": 2, "executed": 1}
    assert outputs(path) == outputs(tmp_path / "nb.nbconvert.ipynb") == {"count": "", "x": "2", "y": "4"}
    assert "Config option" not in page.text and "not recognized" not in page.text
    assert "<pre>4</pre>" in (tmp_path / "nb.html").read_text()


@pytest.mark.thorough
def test_settings_of_nbconverts_own_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Tools) -> None:
    fails = notebook(tmp_path / "fails.ipynb", cell("a", "1 / 0"), cell("argv", "import sys\n'extra' in str(sys.argv)"))
    words = ["--execute", "--to", "notebook", PREPROCESSOR]
    stopped = tools.nbconvert(fails, *words, status=1)
    assert "division by zero" in stopped.text and not (tmp_path / "fails.nbconvert.ipynb").exists()
    extra = "--ExecutePreprocessor.extra_arguments=--IPKernelApp.extra=1"
    assert tools.nbconvert(fails, *words, "--allow-errors", extra).counts == {"failed": 1, "executed": 1}
    assert outputs(tmp_path / "fails.nbconvert.ipynb") == {"a": "ZeroDivisionError", "argv": "True"}
    slow = notebook(tmp_path / "slow.ipynb", cell("a", "import time\ntime.sleep(60)"))
    ours = {"Exporter__preprocessors": [OURS]}
    with pytest.raises(CellTimeoutError):
        exported(monkeypatch, tools, slow, "notebook", **ours, ExecutePreprocessor__timeout=1)
    with pytest.raises(NoSuchKernel):
        exported(monkeypatch, tools, slow, "notebook", **ours, ExecutePreprocessor__kernel_name="none")


# -- when nothing can be tracked


def test_a_kernel_without_incnb_runs_plainly_and_one_line_says_so(tmp_path: Path, tools: Tools) -> None:
    (tmp_path / "other" / "incnb").mkdir(parents=True)
    (tmp_path / "other" / "incnb" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'incnb'\")")
    spec = Path(tools.env["JUPYTER_DATA_DIR"]) / "kernels" / "bare"
    spec.mkdir(parents=True)
    argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    env = {"PYTHONPATH": str(tmp_path / "other")}
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python", "env": env}))
    path = notebook(tmp_path / "nb.ipynb", cell("count", COUNT), cell("x", "1 + 1"), kernel="bare")
    done = tools.nbconvert(path, "--to", "notebook", PREPROCESSOR)
    milled = tools.papermill(path, tmp_path / "out.ipynb", "--engine", "incnb", cwd=tmp_path)
    for text in (done.text, milled.text):
        (line,) = re.findall(r"^.*incnb: .*$", text, re.M)
        assert line.endswith("the kernel bare has no incnb: install it in the environment of that kernel")
    assert outputs(tmp_path / "nb.nbconvert.ipynb") == outputs(tmp_path / "out.ipynb") == {"count": "", "x": "2"}
    assert ran(tmp_path) == 2 and not logged(tools)


def test_switched_off_everything_runs_plainly(tmp_path: Path, tools: Tools) -> None:
    path = notebook(
        tmp_path / "nb.ipynb", cell("x", "1 + 1"), cell("y", "%load_ext incnb\n%incremental on"), cell("count", COUNT)
    )
    tools.nbconvert(path, "--to", "notebook", PREPROCESSOR, env={"INCNB": "off"})
    tools.papermill(path, tmp_path / "out.ipynb", "--engine", "incnb", cwd=tmp_path, env={"INCNB": "off"})
    assert (
        outputs(tmp_path / "nb.nbconvert.ipynb") == outputs(tmp_path / "out.ipynb") == {"x": "2", "y": "", "count": ""}
    )
    assert ran(tmp_path) == 2 and not logged(tools)


# -- papermill


def test_only_what_reads_the_changed_parameter_runs(tmp_path: Path, tools: Tools) -> None:
    path = notebook(
        tmp_path / "nb.ipynb",
        cell("parameters", "alpha = 0.5\nbeta = 2", "parameters"),
        cell("a", "a = alpha * 10\nprint(a)"),
        cell("b", "b = beta + 1\nprint(b)"),
        cell("c", "a + b"),
        cell("where", "import os\nos.path.basename(os.getcwd())"),
    )
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "out.ipynb"
    words = ["--engine", "incnb", "--cwd", "elsewhere"]

    def become(*parameters: str) -> dict[str, str]:
        before = len(logged(tools))
        tools.papermill("nb.ipynb", target, *words, *parameters, cwd=tmp_path)
        return {one["id"] or one["title"]: one["status"] for one in logged(tools)[before:]}

    assert set(become("-p", "alpha", "0.6").values()) == {"executed"}
    assert set(become("-p", "alpha", "0.6").values()) == {"reused"}
    changed = become("-p", "alpha", "0.7")
    assert {name for name, status in changed.items() if status == "executed"} == {"injected-parameters", "a", "c"}
    found = outputs(target)
    assert (found["a"], found["b"], found["c"], found["where"]) == ("7.0\n", "3\n", "10.0", "'elsewhere'")
    assert {one["notebook"] for one in logged(tools)} == {str(path)}
    assert json.loads(target.read_text())["metadata"]["papermill"]["parameters"] == {"alpha": 0.7}


def test_a_failure_is_told_and_saved_as_papermill_does(tmp_path: Path, tools: Tools) -> None:
    path = notebook(tmp_path / "nb.ipynb", cell("a", "print('fine')"), cell("b", "1 / 0"), cell("c", "print('never')"))
    for _ in range(2):
        done = tools.papermill(path, tmp_path / "out.ipynb", "--engine", "incnb", cwd=tmp_path, status=1)
        assert 'Exception encountered at "In [2]"' in done.text
        saved = json.loads((tmp_path / "out.ipynb").read_text())
        assert [one["metadata"].get("tags") for one in saved["cells"]] == [
            ["papermill-error-cell-tag"],
            [],
            ["papermill-error-cell-tag"],
            [],
            [],
        ]
        assert outputs(tmp_path / "out.ipynb") == {"a": "fine\n", "b": "ZeroDivisionError", "c": ""}
    assert done.counts == {"reused": 1, "failed": 1}


def test_cells_without_ids_keep_their_history_under_papermill(tmp_path: Path, tools: Tools) -> None:
    path = notebook(tmp_path / "nb.ipynb", cell("p", "alpha = 1", "parameters"), cell("a", "alpha + 1"))
    data = json.loads(path.read_text())
    data["nbformat_minor"] = 4
    for one in data["cells"]:
        del one["id"]
    path.write_text(json.dumps(data))
    for _ in range(2):
        tools.papermill(path, tmp_path / "out.ipynb", "--engine", "incnb", "-p", "alpha", "5", cwd=tmp_path)
    assert [one["status"] for one in logged(tools)] == ["executed"] * 3 + ["reused"] * 3
    assert {one["id"] or one["title"] for one in logged(tools)} == {"injected-parameters", "alpha = 1", "alpha + 1"}
