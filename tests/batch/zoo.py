"""A notebook with one of everything that a cell can leave in a file, for comparing executed files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, v4, write

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIRST = "pass"
LOADED = "%load_ext incnb\n%incremental on"

CELLS: list[tuple[str, str, list[str]]] = [
    ("setup", "import asyncio, logging, sys, warnings\nimport numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nfrom IPython.display import HTML, JSON, Latex, Markdown, SVG, clear_output, display, update_display\n%matplotlib inline", []),
    ("parameters", "alpha = 0.5\nbeta = 2", ["parameters"]),
    ("streams", "for n in range(3):\n    print('out', n, flush=True)\n    print('err', n, file=sys.stderr, flush=True)\nprint('no newline', end='')", []),
    ("long", "print('x' * 100_000)\nprint('ünï ☃ \\x1b[31mred\\x1b[0m')\nfor n in range(3):\n    print(f'\\rstep {n}', end='')", []),
    ("result", "alpha * beta", []),
    ("underscore", "_ + 1", []),
    ("out", "Out[6], _, __, len(Out)", []),
    ("count", "len(In), get_ipython().execution_count, _i", []),
    ("semicolon", "beta + 1;", []),
    ("none", "print", []),
    ("displays", "display('a', HTML('<b>b</b>'))\nhandle = display(Markdown('*before*'), display_id='shared')\nhandle.update(Markdown('*after*'))\nprint('between')\ndisplay(Latex('$x$'), JSON({'a': [1]}))\n'last'", []),
    ("anonymous", "h = display(1, display_id=True)\nh.update(2)\nh.display(3)\nh is None", []),
    ("update", "update_display(Markdown('*from below*'), display_id='shared')", []),
    ("clearing", "for n in range(4):\n    clear_output(wait=True)\n    print('step', n)\n    display(n)", []),
    ("cleared", "print('gone')\nclear_output()\nprint('stays')", []),
    ("late", "print('last words')\nclear_output(wait=True)", []),
    ("bundle", "class Rich:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'text/plain': 'plain', 'application/x-own+json': {'deep': [1, None]}}, {'text/plain': {'isolated': True}}\nRich()", []),
    ("svg", "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')", []),
    ("raw display", "display({'text/plain': 'x', 'image/png': '" + PIXEL + "'}, raw=True, metadata={'image/png': {'width': 3}})", []),
    ("frame", "df = pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}, index=['r', 's'])\ndf", []),
    ("series", "df['a'].describe()", []),
    ("array", "a = np.arange(6).reshape(2, 3) / 7\na", []),
    ("large", "large = np.arange(300_000, dtype='f8')\nlarge.shape", []),
    ("large sum", "float(large.sum()), df.loc['r', 'a']", []),
    ("figure", "fig, ax = plt.subplots(figsize=(2, 1))\nax.plot([1, 2, 3])", []),
    ("figures", "for n in range(2):\n    plt.figure(figsize=(1, 1))\n    plt.plot([n, 1])\n    plt.show()\n    print('after', n)", []),
    ("last figure", "plt.figure(figsize=(1, 1)); plt.bar([1], [2]);", []),
    ("figure again", "fig", []),
    ("tqdm", "from tqdm import tqdm\nfor n in tqdm(range(3), bar_format='{l_bar}{bar:10}|{n}'):\n    pass\nprint('done')", []),
    ("logging", "logger = logging.getLogger('zoo')\nlogger.warning('careful %s', 1)\nlogging.warning('root')", []),
    ("warning", "warnings.warn('old thing', DeprecationWarning, stacklevel=1)\nwarnings.warn('mine')", []),
    ("capture", "%%capture captured\nprint('inside')\ndisplay('shown')\n5", []),
    ("captured", "captured.show()\ncaptured.stdout", []),
    ("helper", "def divide(a, b):\n    # a comment of its own\n    return a / b", []),
    ("decorated", "import functools\n@functools.lru_cache(maxsize=None)\ndef cached(n):\n    return n / 0", []),
    ("error", "print('before')\ndivide(1, 0)", ["raises-exception"]),
    ("error decorated", "cached(1)", ["raises-exception"]),
    ("error chain", "try:\n    divide(1, 0)\nexcept ZeroDivisionError as error:\n    raise ValueError('wrong') from error", ["raises-exception"]),
    ("error library", "df['missing']", ["raises-exception"]),
    ("syntax", "if True\n    pass", ["raises-exception"]),
    ("magic missing", "%no_such_magic", ["raises-exception"]),
    ("input", "input('name? ')", ["raises-exception"]),
    ("name error", "nowhere", ["raises-exception"]),
    ("source", "import inspect\nprint(inspect.getsource(divide))", []),
    ("after errors", "alpha", []),
    ("async", "async def later(n):\n    await asyncio.sleep(0)\n    return n * 2\nvalues = await asyncio.gather(later(1), later(2))\nvalues", []),
    ("async for", "async def ticks():\n    for n in range(2):\n        yield n\nasync for n in ticks():\n    print(n)", []),
    ("skipped", "raise SystemError('not to be run')", ["skip-execution"]),
    ("empty", "", []),
    ("spaces", "  \n", []),
    ("comment", "# nothing but this", []),
    ("help", "len?", []),
    ("shell", "!echo from a process", []),
    ("loop", "squares = []\nfor n in range(5):\n    squares.append(n * alpha)\n    print('item', n)\nsquares", []),
    ("comprehension", "[divide(n, 2) for n in range(4)]", []),
    ("random", "rng = np.random.default_rng(7)\nnp.random.seed(1)\nrng.random(2), np.random.rand(2)", []),
    ("random on", "np.random.rand(), rng.random()", []),
    ("options", "pd.set_option('display.precision', 2)\npd.DataFrame({'x': [1 / 3]})", []),
    ("options after", "pd.DataFrame({'x': [2 / 3]})", []),
    ("precision", "%precision 3\n1 / 3", []),
    ("precision after", "2 / 3", []),
    ("printoptions", "np.set_printoptions(precision=2)\nnp.array([1 / 3])", []),
    ("class", "class Point:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n        return f'Point({self.x})'\npoint = Point(3)\npoint", []),
    ("mutate", "df['c'] = df['a'] * 2\nsquares.append(point)\ndf", []),
    ("mutated", "print(df, squares)", []),
    ("exit text", "sys.stdout.write('written\\n')", []),
    ("names", "sorted(name for name in globals() if not name.startswith('_') and 'nc' in name)", []),
    ("delete", "del point\n'point' in globals()", []),
    ("time", "import time\ntime.sleep(0.01)\nstarted = time.perf_counter()\ntime.perf_counter() - started < 100", []),
    ("pager", "%pinfo divide", []),
    ("two results", "%config InteractiveShell.ast_node_interactivity = 'all'\n1", []),
    ("all results", "1\n'two'\nprint(3)", []),
    ("one result", "%config InteractiveShell.ast_node_interactivity = 'last_expr'", []),
    ("nested display", "class Noisy:\n    def __repr__(self):\n        print('called')\n        return 'noisy'\nNoisy()", []),
    ("bad repr", "class Bad:\n    def __repr__(self):\n        raise ValueError('no repr')\nBad()", ["raises-exception"]),
    ("finally", "try:\n    print('try', flush=True)\nfinally:\n    print('finally', file=sys.stderr)", []),
    ("multi", "x = 1; x + 1", []),
    ("assign", "(walrus := 5)", []),
    ("last", "Out[6], alpha, beta", []),
]  # fmt: skip
WIDGETS: list[tuple[str, str, list[str]]] = [
    ("slider", "import ipywidgets\nslider = ipywidgets.IntSlider(3)\nslider", []),
    ("slider read", "slider.value + 1", []),
    # no output widget that captures: nbclient itself may wait for messages of such a cell until its timeout
    ("progress", "from tqdm.notebook import tqdm as bar\nfor n in bar(range(2), bar_format='{l_bar}{bar}'):\n    pass", []),
]  # fmt: skip
#: Cells that are never reused, or do something that makes a kernel needed.
LOUD = {
    "count", "shell", "help", "pager", "two results", "all results", "one result", "precision", "precision after",
    "figure again", "names", "error", "error decorated", "error chain", "error library", "syntax", "magic missing",
    "input", "name error", "bad repr", "skipped", "time", "source", "underscore", "out", "decorated", "displays",
    "update", "anonymous", "logging", "mutate", "mutated", "delete", "last", "capture", "captured",
}  # fmt: skip


def zoo(path: Path, first: str = FIRST, *, quiet: bool = False) -> Path:
    """Write the notebook. `quiet`: without what is in the way of writing it from the store."""
    cells: list[NotebookNode] = [v4.new_code_cell(first, id="first")]
    attached = v4.new_markdown_cell("![x](attachment:p.png)", id="md", metadata={"own": {"deep": [1]}})
    attached["attachments"] = {"p.png": {"image/png": PIXEL}}
    cells += [attached, v4.new_raw_cell("<b>raw</b>", id="raw", metadata={"raw_mimetype": "text/html"})]
    for name, text, tags in [one for one in CELLS if one[0] not in LOUD] if quiet else CELLS + WIDGETS:
        metadata: dict[str, Any] = {"tags": tags} if tags else {}
        if name == "streams":
            metadata |= {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "collapsed": True, "own": 1}
        cell = v4.new_code_cell(text, id=re.sub(r"\W", "-", name), metadata=metadata)
        if name in ("skipped", "empty", "result") and not quiet:
            cell["outputs"] = [v4.new_output("stream", text="left from before\n")]
            cell["execution_count"] = 77
        cells.append(cell)
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python", "version": "0"}, "own": {"title": "Zoo"}}
    write(v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def seen(path: Path, *, final: bool = False) -> dict[str, Any]:
    """What a file shows, by cell id, without times, what the tool itself notes, and what is marked as incnb's.

    `final`: of printed lines that were overwritten, only what is left.
    """
    text = re.sub(r"ipykernel_\d+", "ipykernel_PID", path.read_text("utf-8"))
    data = json.loads(re.sub(r"\b0x[0-9a-f]{6,}\b", "ADDRESS", text))
    data = _numbered(data, {})
    data["metadata"].pop("papermill", None)
    for states in data["metadata"].get("widgets", {}).values():
        # the order is that of the ids
        states["state"] = sorted(re.sub(r"id-\d+", "ID", json.dumps(one)) for one in states["state"].values())
    found: dict[str, Any] = {"metadata": data["metadata"], "format": [data["nbformat"], data["nbformat_minor"]]}
    # papermill raises at its end for an error that a tag allows, and says so in two cells of its own
    cells = [one for one in data["cells"] if "papermill-error-cell-tag" not in one["metadata"].get("tags", [])]
    for place, cell in enumerate(cells):
        for noted in ("execution", "papermill"):
            cell["metadata"].pop(noted, None)
        if cell["metadata"].get("tags") == []:
            del cell["metadata"]["tags"]
        if "outputs" in cell:
            theirs = [one for one in cell["outputs"] if "incnb" not in one.get("metadata", {})]
            cell["outputs"] = _joined(theirs, {"stdout", "stderr"} if final else {"stderr"})
        found[cell.get("id") or str(place)] = cell
    return found


def _joined(outputs: list[dict[str, Any]], bars: set[str]) -> list[dict[str, Any]]:
    """With the text of one stream in one piece, since a timer of the kernel may cut it anywhere, and bars as they end."""
    joined: list[dict[str, Any]] = []
    for one in outputs:
        if one["output_type"] == "stream":
            text = "".join(one["text"])
            if joined and joined[-1].get("name") == one["name"]:
                joined[-1]["text"] += text
                continue
            one = {**one, "text": text}
        joined.append(one)
    for one in joined:
        if one["output_type"] == "stream" and one["name"] in bars:
            one["text"] = re.sub(r"[^\n]*\r", "", one["text"])
    return joined


def _numbered(told: Any, names: dict[str, str]) -> Any:
    """With ids that are made up anew in each run replaced by numbers in their order."""

    def number(text: str) -> str:
        return re.sub(
            r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", lambda m: names.setdefault(m[0], f"id-{len(names)}"), text
        )

    if isinstance(told, dict):
        return {number(key): _numbered(value, names) for key, value in told.items()}
    if isinstance(told, list):
        return [_numbered(value, names) for value in told]
    return number(told) if isinstance(told, str) else told


def differences(expected: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """What differs, one line each; the source of the first cell aside."""
    found = []
    for name in dict.fromkeys([*expected, *got]):
        before, now = expected.get(name), got.get(name)
        if name == "first" and before and now:
            before, now = {**before, "source": ""}, {**now, "source": ""}
        if before != now:
            keys = (
                [k for k in {**(before or {}), **(now or {})} if (before or {}).get(k) != (now or {}).get(k)]
                if isinstance(before, dict) and isinstance(now, dict)
                else []
            )
            found += [
                f"{name}.{key}: {str((before or {}).get(key))[:1500]} != {str((now or {}).get(key))[:1500]}"
                for key in keys
            ] or [f"{name}: {before} != {now}"]
    return found
