"""Small notebooks that stand for ordinary work, each a list of cells and the files beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

FLIGHTS = Path(__file__).resolve().parents[2] / "examples" / "flights.ipynb"


@dataclass(frozen=True)
class Example:
    cells: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()  # cells that are not edited
    slow: bool = False


CLEANING = Example(
    (
        "import pandas as pd\nraw = pd.read_csv('people.csv')\nraw",
        "def clean(frame, limit=90, fill=0):\n    out = frame.dropna(subset=['name']).copy()\n    out['name'] = out['name'].str.strip().str.title()\n    out['age'] = out['age'].fillna(fill).astype(int)\n    return out[out['age'] < limit]\npeople = clean(raw)\nprint(len(raw), 'rows,', len(people), 'kept')",
        "people['adult'] = people['age'] >= 18\npeople.head(3)",
        "by_city = people.groupby('city')['age'].agg(['mean', 'count'])\nby_city",
        "oldest = people.loc[people['age'].idxmax(), 'name']\nprint(f'oldest: {oldest}')\ncities = sorted(people['city'].unique())",
        "wide = people.pivot_table(index='city', columns='adult', values='age', aggfunc='sum', fill_value=0)\nwide.columns = [f'adult_{c}' for c in wide.columns]\nwide",
        "merged = people.merge(by_city.reset_index(), on='city', how='left')\nmerged['above'] = merged['age'] - merged['mean'] > 0\nmerged['above'].sum()",
        "people.drop(columns='adult', inplace=True)\nlist(people.columns)",
        "summary = {'n': len(people), 'cities': cities, 'mean': float(people['age'].mean())}\nsummary",
    ),
    {
        "people.csv": "name,age,city\n ann ,31,Oslo\nbob,17,Rome\n,40,Rome\ncid,95,Oslo\ndee,,Rome\neve,52,Paris\nfay,64,Paris\n"
    },
)
SIMULATION = Example(
    (
        "import numpy as np\nrng = np.random.default_rng(7)\nsteps, walkers = 30, 8",
        "def walk(rng, steps, walkers, drift=0.1):\n    jumps = rng.normal(drift, 1.0, size=(steps, walkers))\n    return jumps.cumsum(axis=0)\npaths = walk(rng, steps, walkers)\npaths.shape",
        "ends = paths[-1]\nprint('mean end', round(float(ends.mean()), 4))",
        "noise = rng.uniform(-1, 1, size=walkers)\nends += noise\nbest = int(np.argmax(ends))\nbest",
        "hits = (np.abs(paths) > 3).any(axis=0)\nshare = hits.mean()\nprint(f'{share:.2f} left the corridor')",
        "boot = np.array([rng.choice(ends, size=ends.size).mean() for _ in range(20)])\nlow, high = np.quantile(boot, [0.05, 0.95])\n(round(float(low), 4), round(float(high), 4))",
        "paths[0, 0] = 100.0\nprint(ends[best].round(3), paths.max().round(3))",
        "corr = np.corrcoef(paths.T)[0, 1:]\ncorr.round(3).tolist()",
        "state = rng.integers(1000, size=3).tolist()\nstate",
    )
)
LEARNING = Example(
    (
        "import numpy as np\nimport pandas as pd\nfrom sklearn.linear_model import LogisticRegression\nfrom sklearn.model_selection import train_test_split",
        "rng = np.random.RandomState(3)\nX = pd.DataFrame(rng.randn(60, 3), columns=['a', 'b', 'c'])\ny = (X['a'] + 0.5 * X['b'] > 0).astype(int)",
        "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1)\nprint(X_train.shape, X_test.shape)",
        "model = LogisticRegression(C=1.0, max_iter=200)\nmodel.fit(X_train, y_train)\nmodel.coef_.round(3)",
        "def score(model, X, y, digits=3):\n    return round(float(model.score(X, y)), digits)\nscores = {'train': score(model, X_train, y_train), 'test': score(model, X_test, y_test)}\nscores",
        "from sklearn.ensemble import RandomForestClassifier\nforest = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0).fit(X_train, y_train)\nscores['forest'] = score(forest, X_test, y_test)",
        "importance = pd.Series(forest.feature_importances_, index=X.columns).sort_values(ascending=False)\nimportance.round(3)",
        "proba = forest.predict_proba(X_test)[:, 1]\nprint('best column', importance.index[0], 'mean', round(float(proba.mean()), 3))",
        "X_train['d'] = X_train['a'] * 2\nmodel.set_params(C=0.5).fit(X_train[['a', 'd']], y_train)\nscores['again'] = score(model, X_train[['a', 'd']], y_train)\nscores",
    ),
    fixed=(0,),
)
TEXT = Example(
    (
        "from dataclasses import dataclass, field\nfrom collections import Counter\nimport re\nTEXT = 'the cat sat. the dog sat on the cat. a bird sang!'",
        "@dataclass\nclass Sentence:\n    text: str\n    words: list = field(default_factory=list)\n    def split(self):\n        self.words = re.findall(r'[a-z]+', self.text)\n        return self\n    @property\n    def size(self):\n        return len(self.words)",
        "class Index:\n    least = 1\n    def __init__(self, sentences):\n        self.where = {}\n        for number, sentence in enumerate(sentences):\n            for word in sentence.words:\n                if len(word) > self.least:\n                    self.where.setdefault(word, []).append(number)\n    def __getitem__(self, word):\n        return self.where.get(word, [])\n    def common(self, n=2):\n        return sorted(self.where, key=lambda w: (-len(self.where[w]), w))[:n]",
        "sentences = [Sentence(part.strip()).split() for part in re.split('[.!]', TEXT) if part.strip()]\n[s.size for s in sentences]",
        "index = Index(sentences)\nprint(index['cat'], index['bird'], index.common())",
        "class Loud(Index):\n    least = 2\n    def common(self, n=1):\n        return [w.upper() for w in super().common(n)]\nloud = Loud(sentences)\nloud.common()",
        "counts = Counter(word for s in sentences for word in s.words)\ncounts.most_common(2)",
        "sentences[0].words.append('end')\nsentences[0].text += ' end'\nfirst = sentences[0]\nfirst",
        "total = sum(s.size for s in sentences)\nfirst.words.sort()\nprint(total, first is sentences[0], isinstance(loud, Index))",
        "longest = max(sentences, key=lambda s: s.size)\nlongest.text",
    )
)
FILES = Example(
    (
        "import csv\nimport glob\nimport json\nimport os\nfrom pathlib import Path\nnames = sorted(glob.glob('in/*.csv'))\nnames",
        "def load(path, skip=0):\n    with open(path, newline='') as handle:\n        return [row for row in csv.DictReader(handle)][skip:]\nrows = [row for name in names for row in load(name)]\nlen(rows)",
        "settings = json.loads(Path('settings.json').read_text())\nscale = settings['scale']\nsettings",
        "totals = {}\nfor row in rows:\n    totals[row['k']] = totals.get(row['k'], 0) + int(row['v']) * scale\ntotals",
        "Path('out').mkdir(exist_ok=True)\nwith open('out/totals.json', 'w') as handle:\n    json.dump(totals, handle, sort_keys=True)\nprint('written', Path('out/totals.json').stat().st_size)",
        "back = json.load(open('out/totals.json'))\nback == totals",
        "with open('out/report.txt', 'w') as handle:\n    for key in sorted(back):\n        print(key, back[key], file=handle)\nlines = open('out/report.txt').read().splitlines()\nlines",
        "extra = Path('in/extra.csv')\nfound = load(extra) if extra.exists() else 'no extra'\nfound",
        "listing = sorted(p.name for p in Path('in').iterdir())\nprint(*listing, sep='; ')",
        "os.rename('out/report.txt', 'out/final.txt')\nsorted(os.listdir('out'))",
        "final = Path('out/final.txt').read_text().upper()\nprint(final, end='')",
    ),
    {"in/a.csv": "k,v\nx,1\ny,2\n", "in/b.csv": "k,v\nx,3\nz,5\n", "settings.json": '{"scale": 2, "unused": 1}'},
)
MODULES = Example(
    (
        "import tools\nfrom tools import Scaler, area as surface\nfrom lib import shapes",
        "side = 3\na = surface(side)\nprint('area', a)",
        "scaler = Scaler(2)\nvalues = [scaler(v) for v in (1, 2, 3)]\nvalues",
        "tools.describe(values)",
        "b = shapes.Square(side).area() + shapes.Circle(1).area()\nround(b, 3)",
        "def local(x):\n    return tools.area(x) + shapes.OFFSET\nc = list(map(local, range(3)))\nc",
        "scaler.factor = 5\nd = scaler(1), tools.LIMIT\nd",
        "kept = [s.name for s in (shapes.Square(1), shapes.Circle(2))]\nkept.append(tools.TABLE['double'](4))\nkept",
        "tools.LIMIT = tools.LIMIT + 1\ne = tools.area(100)\ne",
        "scaler.seen, tools.history",
    ),
    {
        "tools.py": "LIMIT = 50\nhistory = []\n\ndef _square(x):\n    return x * x\n\ndef area(x, factor=1):\n    history.append(x)\n    return min(_square(x) * factor, LIMIT)\n\ndef describe(values):\n    return {'n': len(values), 'max': max(values), 'label': 'values'}\n\nclass Scaler:\n    def __init__(self, factor):\n        self.factor = factor\n        self.seen = 0\n    def __call__(self, v):\n        self.seen += 1\n        return v * self.factor\n\nTABLE = {'double': lambda x: x * 2, 'square': _square}\n",
        "lib/__init__.py": "",
        "lib/base.py": "class Shape:\n    name = 'shape'\n    def area(self):\n        return self._area() + 0.5\n",
        "lib/shapes.py": "from .base import Shape\nPI = 3.14\nOFFSET = 1\n\nclass Square(Shape):\n    name = 'square'\n    def __init__(self, side):\n        self.side = side\n    def _area(self):\n        return self.side ** 2\n\nclass Circle(Shape):\n    def __init__(self, r=2):\n        self.r = r\n    def _area(self):\n        return PI * self.r ** 2\n",
    },
)
PLOTTING = Example(
    (
        "import io\nimport numpy as np\nimport matplotlib.pyplot as plt\nfrom IPython.display import Image, display",
        "x = np.linspace(0, 6, 30)\ny = np.sin(x) * 2",
        "def png(fig, dpi=20):\n    buffer = io.BytesIO()\n    fig.savefig(buffer, format='png', dpi=dpi, metadata={'Software': None})\n    plt.close(fig)\n    return buffer.getvalue()",
        "fig, ax = plt.subplots(figsize=(2, 1))\nax.plot(x, y, linewidth=1.5)\nax.set_title('a wave')\npicture = png(fig)\ndel fig, ax\nlen(picture) > 100",
        "display(Image(picture))\nprint('shown')",
        "fig, axes = plt.subplots(1, 2, figsize=(2, 1))\naxes[0].bar([1, 2, 3], [3, 1, 2], color='grey')\naxes[1].hist(y, bins=5)\nsecond = png(fig, dpi=15)\ndel fig, axes\nImage(second)",
        "peak = float(x[np.argmax(y)])\nround(peak, 3)",
    ),
    fixed=(0,),
)
SHAPES_OF_CODE = Example(
    (
        "import functools\nfrom contextlib import contextmanager\nlog = []",
        "def counted(times=2):\n    def wrap(fn):\n        @functools.wraps(fn)\n        def inner(*args, **kwargs):\n            log.append((fn.__name__, len(args)))\n            return fn(*args, **kwargs) * times\n        return inner\n    return wrap",
        "@counted(3)\ndef add(a, b=1):\n    return a + b\nfirst = add(2)\nfirst, log",
        "def counter(start=0, step=1):\n    n = start\n    def more():\n        nonlocal n\n        n += step\n        return n\n    return more\ntick = counter(5)\nticks = [tick() for _ in range(3)]\nticks",
        "tick()\nprint('now', tick())",
        "def evens(limit):\n    for i in range(limit):\n        if i % 2 == 0:\n            yield i * 10\nlist(evens(7))",
        "@contextmanager\ndef section(name):\n    log.append('+' + name)\n    try:\n        yield name.upper()\n    finally:\n        log.append('-' + name)\nwith section('one') as title:\n    print(title)\nlog",
        "pipeline = [functools.partial(add, b=2), lambda x: x - 1, str]\nout = []\nfor value in (1, 2):\n    for stage in pipeline:\n        value = stage(value)\n    out.append(value)\nout",
        "@functools.lru_cache(maxsize=None)\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(12)",
        "gen = evens(20)\nskipped = next(gen), next(gen)\nskipped",
        "rest = list(gen)\nmatrix = [[i * j for j in range(3)] for i in range(3)]\nrow = matrix[1]\nrow[0] = 99\nmatrix",
        "try:\n    bad = 1 / (len(row) - 3)\nexcept ZeroDivisionError as error:\n    bad = str(error)\nbad, len(log)",
        "import sys\nprint('to stderr', file=sys.stderr)\nprint('to stdout')\nlog[-1]",
    )
)
CONFIGURED = Example(
    (
        "import incnb\nimport json\ncfg = incnb.Config(json.load(open('config.json')))\nplain = {'depth': 2, 'names': ['a', 'b'], 'inner': {'rate': 0.5, 'other': 9}}",
        "def features(cfg, n):\n    return [i * cfg.model.lr for i in range(n)]\nfeats = features(cfg, 4)\nfeats",
        "def fit(feats, cfg):\n    total = 0.0\n    for epoch in range(cfg.model.epochs):\n        total += sum(feats) * (epoch + 1)\n    return round(total, 6)\nfitted = fit(feats, cfg)\nfitted",
        "rate = plain['inner']['rate'] * fitted\nrate",
        "plain['inner']['other'] += 1\nplain['names'].append('c')\nplain",
        "label = cfg.get('label', 'none') + '-' + '-'.join(plain['names'])\nprint(label)",
        "class Step:\n    def __init__(self, depth, **options):\n        self.depth = depth\n        self.options = options\n    def run(self, x):\n        return [x] * self.depth + [self.options.get('k', 0)]\nsteps = [Step(plain['depth'], k=1), Step(1)]\nresults = [s.run(rate) for s in steps]\nresults",
        "if 'debug' in cfg and cfg.debug:\n    print('debugging')\nelse:\n    verbose = False\nsorted(cfg)",
        "steps[0].options['k'] = plain['inner']['other']\nfinal = {s.depth: s.run(0)[-1] for s in steps}\nfinal",
    ),
    {"config.json": '{"model": {"lr": 0.1, "epochs": 3}, "label": "run", "debug": true, "unused": 4}'},
)
STATE = Example(
    (
        "import copy\nstock = {'nut': 3, 'bolt': 5}\nview = stock\nsaved = copy.deepcopy(stock)",
        "orders = []\ndef order(name, n=1, stock=stock):\n    stock[name] = stock.get(name, 0) - n\n    orders.append((name, n))\n    return stock[name]\norder('nut')",
        "order('bolt', 2)\nview",
        "low = [k for k, v in view.items() if v < 3]\nlow",
        "a = b = [1, 2]\nb += [3]\na",
        "c = a\nc = c + [4]\na, c",
        "grid = [[0] * 3] * 2\ngrid[0][1] = 7\ngrid",
        "total = 0\nfor name, n in orders:\n    total += n\nelse:\n    last = name\ntotal, last",
        "del saved['nut']\nsaved.update(screw=4)\nsaved",
        "stock = {**stock, 'new': 1}\nview is stock, order('new'), stock['new']",
        "import collections\nqueue = collections.deque(orders, maxlen=2)\nqueue.rotate(1)\nlist(queue)",
        "x, *y = sorted(stock.items())\nx, y",
        "_ , len(y)",
        "class Node:\n    count = 0\n    def __init__(self, v, parent=None):\n        self.v = v\n        self.parent = parent\n        self.kids = []\n        Node.count += 1\n        if parent is not None:\n            parent.kids.append(self)\nroot = Node(1)\nleaf = Node(2, root)",
        "leaf.parent.v += 10\nroot.v, Node.count, root.kids[0] is leaf",
        "twig = Node(3, leaf)\nroot.kids.append(twig)\n[k.v for k in root.kids], Node.count",
    )
)


def flights() -> Example:
    """The cells of the example, without its magics: a figure stays open no longer than its cell."""
    cells = []
    for cell in json.loads(FLIGHTS.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or "load_ext" in source:
            continue
        lines = [line for line in source.splitlines() if not line.startswith("%")]
        text = "\n".join(lines).replace("plt.show()", "plt.close(fig)")
        text = text.replace("flightlib.read_tables()\n", "flightlib.read_tables()\nflights = flights[::40]\n")
        text = (
            text.replace("n_estimators=100", "n_estimators=5")
            .replace("rounds=300", "rounds=5")
            .replace("12_000", "500")
        )
        cells.append(text)
    return Example(tuple(cells), {"flightlib.py": FLIGHTS.with_name("flightlib.py").read_text()}, fixed=(0,), slow=True)


EXAMPLES = {
    "cleaning": CLEANING,
    "simulation": SIMULATION,
    "learning": LEARNING,
    "text": TEXT,
    "files": FILES,
    "modules": MODULES,
    "plotting": PLOTTING,
    "shapes of code": SHAPES_OF_CODE,
    "configured": CONFIGURED,
    "state": STATE,
    "flights": flights(),
}
