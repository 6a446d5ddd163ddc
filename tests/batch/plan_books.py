"""Notebooks for tests of plans, with the edits that are planned and then run."""

from __future__ import annotations

from typing import Any

from plans import Edit, Work

Book = tuple[list[Any], dict[str, str]]


def _order(places: list[int]) -> Edit:
    def edit(work: Work) -> None:
        cells = work.cells
        work.save([cells[place] for place in places])

    return edit


def _added(place: int, text: str) -> Edit:
    def edit(work: Work) -> None:
        cells = work.cells
        work.save([*cells[:place], {**cells[place], "id": "added", "source": text}, *cells[place:]])

    return edit


FLIGHTS: Book = (
    [
        "# setup\nimport json\nimport glob\nimport os\nimport utils\nfrom helpers import scale, FACTOR\nimport numpy as np",
        ("alpha = 0.5\nbeta = 3\nname = 'x'", "parameters"),
        "# load\nrows = [int(line) for line in open('data.txt')]",
        "# clean\nkept = utils.clean(rows)",
        "# helpers\ndef mean(xs):\n    return sum(xs) / len(xs)\n\ndef top(xs, k=3):\n    return sorted(xs)[-k:]",
        "# average\navg = mean(kept) * alpha\nprint(avg)",
        "# best\nbest = top(rows, beta)\nbest",
        "# globbed\nparts = [open(p).read() for p in sorted(glob.glob('parts/*.txt'))]",
        "# env\nmode = os.environ.get('MODE', 'none')\nmessage = name + mode",
        "# class\nclass Model:\n    rate = 2\n    def fit(self, xs):\n        return [x * self.rate for x in xs]\nfitted = Model().fit(kept)",
        "# scaled\nscaled = scale(np.array(kept)) * FACTOR",
        "# inplace\nlog = {}\nlog['a'] = len(rows)",
        "# more\nlog['b'] = avg",
        "# report\nsummary = json.dumps([log, best, len(parts), message])\nsummary",
    ],
    {
        "data.txt": "1\n2\n3\n40\n5\n",
        "utils.py": "LIMIT = 10\n\ndef inner(v):\n    return v < LIMIT\n\ndef clean(xs):\n    return [x for x in xs if inner(x)]\n\ndef other():\n    return 1\n",
        "helpers.py": "from math import sqrt\nFACTOR = 2\nTABLE = {k: k * k for k in range(3)}\ndef scale(a):\n    return a / a.max() + TABLE[1]\n",
        "parts/a.txt": "a",
        "parts/b.txt": "b",
    },
)

SCIENCE: Book = (
    [
        "%load_ext incnb\n%incremental on",
        "%matplotlib inline\nimport numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nimport warnings\nfrom dataclasses import dataclass\nfrom functools import lru_cache\nimport math",
        "warnings.filterwarnings('ignore', category=FutureWarning)\npd.set_option('display.max_rows', 10)",
        "# seed\nnp.random.seed(3)",
        "# draw\nnoise = np.random.rand(6)",
        "# draw2\nmore = np.random.rand(2)",
        "# dc\n@dataclass\nclass Row:\n    a: int\n    b: float = 1.5\n\n    def total(self):\n        return self.a + self.b * K\nK = 2",
        "# frame\ndf = pd.DataFrame({'a': [1, 2, 3, 4, 5, 6], 'b': noise})\ndf.head(2)",
        "# column\ndf['c'] = df['a'] * K",
        "# group\ng = df[['a', 'c']].sum()\ng",
        "# plot\nplt.plot(df['a'], df['b'])\nplt.show()",
        "# rows\nobjs = [Row(i, 0.5) for i in range(3)]\ntot = sum(o.total() for o in objs)",
        "# cached\n@lru_cache\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nf10 = fib(10)",
        "%%time\nslow = sum(range(1000)) + K",
        "# write\nwith open('out.txt', 'w') as out:\n    out.write(str(tot))",
        "# readback\ntext = open('out.txt').read()",
        "# clock\nimport time\nnow = time.time()",
        "# loop\nacc = []\nfor i in range(4):\n    acc.append(i * K)",
        "# math\narea = math.pi * np.pi",
        "x, y = divmod(17, 5)\nlam = lambda v: v + x\nz = lam(2)",
        "# typed\ndef pick(frame: pd.DataFrame, col: str = 'a') -> pd.Series:\n    return frame[col]\npicked = pick(df).max()",
        "# total\nfinal = (tot, f10, slow, text, acc, area, z, picked)\nfinal",
    ],
    {},
)

EDGES: Book = (
    [
        "import incnb\nimport os, sys, time\nsys.path.append('lib')",
        "import tools\nfrom pkg import sub\nfrom pkg.deep import Thing",
        "cfg = incnb.Config({'lr': 0.1, 'n': 3, 'opt': {'k': 'a'}})",
        "# uses lr\na = cfg['lr'] * 2",
        "# uses n\nb = [tools.twice(i) for i in range(cfg['n'])]",
        "# thing\nt = Thing(3)\nv = t.value() + sub.offset()",
        "# state\ntools.bump()\nc = tools.COUNT",
        "# deco\ndef deco(f):\n    def g(*x):\n        return f(*x) + 1\n    return g\n\n@deco\ndef plus(x):\n    return x + a\np = plus(1)",
        "# clock\nstamp = time.time()",
        "%%incremental --name named --version 2\nq = b[0] + 1",
        "# global\ndef setit():\n    global made\n    made = len(b)\nsetit()",
        "# reads made\nr = made + 1",
        "# try\ntry:\n    import nothere\nexcept ImportError:\n    nothere = None\nhave = nothere is None",
        "# exists\nthere = os.path.exists('flag')",
        "# listing\nnames = sorted(os.listdir('lib'))",
        "tmp = 5\ndel tmp",
        "# absent\ngone = 'tmp' in globals()",
        "# gen\nit = iter([1, 2, 3])\nfirst = next(it)",
        "# alias\nrows = [1, 2]\nsame = rows",
        "# alias change\nsame.append(3)",
        "# alias read\nlength = len(rows)",
        "# env set\nos.environ['H3_X'] = 'on'",
        "# env read\nx = os.environ.get('H3_X')",
        "# annotated\nfrom typing import Optional\ndef ann(v: Optional[int] = None) -> int:\n    return (v or 0) + 1\nan = ann()",
        "# base\nclass Base:\n    def name(self):\n        return 'base'\nclass Child(Base):\n    pass",
        "# child\nch = Child().name()",
        "# func default\nD = 4\ndef dflt(v=D):\n    return v",
        "# func default read\ndd = dflt()",
        "# sum\ns = [a, b, v, c, p, q, r, have, there, names, length, x, an, ch, dd]",
    ],
    {
        "lib/tools.py": "COUNT = 0\n\ndef twice(v):\n    return 2 * v\n\ndef bump():\n    global COUNT\n    COUNT += 1\n",
        "pkg/__init__.py": "",
        "pkg/sub.py": "from .deep import BASE\ndef offset():\n    return BASE + 1\n",
        "pkg/deep.py": "BASE = 10\nclass Thing:\n    def __init__(self, v):\n        self.v = v\n    def value(self):\n        return self.v * BASE\n",
    },
)

MAGICS: Book = (
    [
        "%load_ext incnb\nimport utils\nseven = 7",
        "%time t = sum(range(100))",
        "# t reader\nt2 = t + seven",
        "!echo hi",
        "# after shell\nw = t2 + 1",
        "%run script.py",
        "# script reader\nz = from_script + 1",
        "%%writefile note.txt\nhello",
        "# note\nnote = open('note.txt').read()",
        "from utils import *",
        "# star reader\ny = clean([1, 2])",
        "exec('made = 3')",
        "# made reader\nm = made + 1",
    ],
    {"utils.py": "def clean(x):\n    return x[:1]\n", "script.py": "from_script = 4\n"},
)

SHELL: Book = (
    [
        "# setup\nimport builtins\nimport warns\nfrom warns import remembers, wrapping\nfrom typing import TYPE_CHECKING",
        "%%capture caught\nprint('shown')",
        "# reads caught\nsaid = caught.stdout",
        "# sets a builtin\nbuiltins.everywhere = 5",
        "# reads a builtin\nseen = everywhere + 1",
        "# result\n20 + 1",
        "# reads the last\nlast = _ + 1",
        "# reads by number\nsixth = _6\ntext = _i6",
        "# warns\nw = warns.warned(1)",
        "# decorated\nd = warns.Shape.area(2) + warns.either(3) + warns.later(4)",
        "# below\nlow = seen + last + w",
        "# remembers\nr = remembers(3)",
        "# wrapped\n@wrapping\ndef wrapped(x): return x\nfour = wrapped(3)",
        "# completed\nclass Completed:\n    pass\nCompleted.late = 4",
        "# late\nlate = Completed.late + len(warns.ITEMS) + warns.Shape.late",
        "# only now\ngone = 1",
        "# reads gone\nis_gone = gone + 1",
    ],
    {
        "warns.py": (
            "from __future__ import annotations\nimport functools\nimport warnings\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import json\n"
            "def warned(x):\n    warnings.warn('old')\n    return x\n"
            "class Shape:\n    @staticmethod\n    def area(x: int) -> int:\n        warnings.warn('area')\n        return x * x\n"
            "if TYPE_CHECKING:\n    def either(x): return json.dumps(x)\nelse:\n    def either(x): return x\n"
            "@functools.lru_cache\ndef remembers(x): return x + 2\n"
            "def wrapping(f):\n    @functools.wraps(f)\n    def inner(*x): return f(*x) + 4\n    return inner\n"
            "ITEMS = []\nITEMS.append(1)\nShape.late = 3\n"
            "def later(x: json.JSONDecoder) -> json.JSONDecoder:\n    return x + 1\n"
        ),
    },
)

BOOKS: dict[str, Book] = {
    "flights": FLIGHTS,
    "science": SCIENCE,
    "edges": EDGES,
    "magics": MAGICS,
    "shell": SHELL,
}

EDITS: dict[str, dict[str, Edit]] = {
    "flights": {
        "unchanged": lambda w: None,
        "cell edited": lambda w: w.replace(2, "int(line)", "int(line) + 0"),
        "helper edited": lambda w: w.replace(4, "/ len(xs)", "/ (len(xs) + 1)"),
        "module edited": lambda w: w.file("utils.py", "v < LIMIT", "v <= LIMIT"),
        "constant of a module edited": lambda w: w.file("utils.py", "LIMIT = 10", "LIMIT = 4"),
        "table of a module edited": lambda w: w.file("helpers.py", "k * k", "k + k"),
        "file changed": lambda w: w.file("data.txt", "40", "50"),
        "file removed from a globbed folder": lambda w: (w.folder / "parts/b.txt").unlink(),
        "file added to a globbed folder": lambda w: _write(w, "parts/c.txt"),
        "variable of the environment": lambda w: w.env.update(MODE="fast"),
        "time zone": lambda w: w.env.update(TZ="Europe/Paris"),
        "parameter": lambda w: w.parameters.append(("alpha", "0.7")),
        "cell moved": _order([0, 1, 2, 3, 4, 5, 6, 8, 7, 9, 10, 11, 12, 13]),
        "cell removed": _order([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]),
        "cell added that changes an object": _added(3, "rows.append(4)"),
        "class edited": lambda w: w.replace(9, "rate = 2", "rate = 3"),
        "marked": lambda w: w.mark("cell5", "average"),
        "forced": lambda w: w.replace(6, "# best", "%%incremental --force\n# best"),
    },
    "science": {
        "unchanged": lambda w: None,
        "seed changed": lambda w: w.replace(3, "3", "4"),
        "constant that a class reads": lambda w: w.replace(6, "K = 2", "K = 3"),
        "filter removed": lambda w: w.replace(2, "warnings.filterwarnings('ignore', category=FutureWarning)\n", ""),
        "file of a cell removed": lambda w: (w.folder / "out.txt").unlink(),
        "file of a cell changed": lambda w: _write(w, "out.txt"),
        "column in place": lambda w: w.replace(8, "* K", "* K * 1"),
        "below a magic": lambda w: w.replace(13, "1000", "1001"),
    },
    "edges": {
        "unchanged": lambda w: None,
        "key that is read": lambda w: w.replace(2, "0.1", "0.2"),
        "module on a path of its own": lambda w: w.file("lib/tools.py", "2 * v", "v + v"),
        "module of a package": lambda w: w.file("pkg/deep.py", "BASE = 10", "BASE = 11"),
        "module that was not there": lambda w: _write(w, "nothere.py"),
        "alias changed": lambda w: w.replace(19, "append(3)", "append(4)"),
        "base class": lambda w: w.replace(24, "'base'", "'basis'"),
        "module in front of another": lambda w: _write(w, "tools.py", EDGES[1]["lib/tools.py"].replace("2 *", "3 *")),
        "cell twice": _added(4, "# uses lr\na = cfg['lr'] * 2"),
    },
    "magics": {
        "unchanged": lambda w: None,
        "script edited": lambda w: w.file("script.py", "4", "5"),
        "module edited": lambda w: w.file("utils.py", "x[:1]", "x[:2]"),
    },
    "shell": {
        "unchanged": lambda w: None,
        "what is caught": lambda w: w.replace(1, "'shown'", "'seen'"),
        "caught by another name": lambda w: w.replace(1, "caught", "kept"),
        "a builtin": lambda w: w.replace(3, "= 5", "= 6"),
        "a builtin that was there": lambda w: w.replace(3, "everywhere = 5", "everywhere = 5; builtins.print = str"),
        "a result that is read": lambda w: w.replace(5, "20", "30"),
        "module edited": lambda w: w.file("warns.py", "'old'", "'new'"),
        "method edited": lambda w: w.file("warns.py", "x * x", "x + x"),
        "conditional definition edited": lambda w: w.file("warns.py", "(x): return x\n", "(x): return x + 0\n"),
        "cell removed": _order([*range(15), 16]),
        "what is set on a class": lambda w: w.replace(13, "late = 4", "late = 5"),
        "what is added to a list of a module": lambda w: w.file("warns.py", "append(1)", "extend([1, 2])"),
        "what is set on a class of a module": lambda w: w.file("warns.py", "late = 3", "late = 4"),
        "wrapped function of a module edited": lambda w: w.file("warns.py", "x + 2", "x + 3"),
        "decorator of a module edited": lambda w: w.file("warns.py", "f(*x) + 4", "f(*x) + 5"),
        "cell added": _added(1, "# added\nextra = 1"),
    },
}


def _write(work: Work, name: str, text: str = "K = 1") -> None:
    (work.folder / name).write_text(text)
