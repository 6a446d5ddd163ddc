"""The example notebook, shortened: the same question on a few thousand made-up flights, in seconds and offline.

`lay_out` writes notebook, module and data; `happened` is what a person did since the last session: one function was
edited, one day of flights came new and one was corrected. So the next run has cells of every kind.
"""

from __future__ import annotations

import random
from pathlib import Path

LIBRARY = '''"""What the notebook knows about flights."""

import time

import pandas as pd

LATE_MINUTES = 30


def read_day(path):
    """The flights of one day."""
    time.sleep(0.02)
    return pd.read_csv(path)


def clean(flights):
    table = flights.dropna(subset=["dep_delay"])
    return table.assign(late=table["arr_delay"] > LATE_MINUTES)


def build_features(days):
    """What is known an hour before departure, and whether the flight came late."""
    time.sleep(0.3)
    table = clean(pd.concat(days, ignore_index=True))
    return table.assign(hour=table["scheduled"] // 60)


def grow(hours, rounds=40):
    """A forecast of a kind: it takes a while."""
    time.sleep(1.2)
    return {int(hour): rounds * int(count) for hour, count in hours.value_counts().sort_index().items()}
'''

EDIT = (
    '    table = flights.dropna(subset=["dep_delay"])\n',
    '    table = flights.dropna(subset=["dep_delay", "arr_delay"])\n',
)  # fmt: skip

LOAD = "%load_ext incnb"
PANEL = "%incremental panel"
IMPORTS = "from pathlib import Path\nimport time\nimport pandas as pd\nimport flightlib"
AIRPORTS = '%%incremental --name "read the airports"\nairports = pd.read_csv("airports.csv").set_index("origin")'
DAYS = """%%incremental --name "read the days"
days = []
for path in sorted(Path("days").glob("*.csv")):
    days.append(flightlib.read_day(path))"""
FEATURES = '%%incremental --name "build the features"\nfeatures = flightlib.build_features(days)'
BY_AIRPORT = """%%incremental --name "late by airport"
by_airport = airports.join(features.groupby("origin")["late"].mean())"""
HOURS = '%%incremental --name "busy hours"\nbusy = features["hour"].clip(5, 8)\nbusy = busy.drop_duplicates().sort_values(ignore_index=True)'
GROW = '%%incremental --name "grow the forest"\nforest = flightlib.grow(busy)'
STAMP = '%%incremental --name "time stamp"\nstamp = time.strftime("%Y-%m-%d")'
SUMMARY = """%%incremental --name "summary"
worst = by_airport["late"].idxmax()
print(f"late most often from {by_airport.at[worst, 'name']}; {len(forest)} hours in the forest")"""

CELLS = [
    LOAD, PANEL, IMPORTS, AIRPORTS, DAYS, FEATURES, BY_AIRPORT, HOURS, GROW, STAMP, SUMMARY,
]  # fmt: skip
TRACKED = [cell.split('"')[1] for cell in CELLS if cell.startswith("%%incremental")]


def day(number: int) -> str:
    """The flights of a day as a table."""
    rng = random.Random(number)
    lines = ["origin,scheduled,dep_delay,arr_delay"]
    for _ in range(120):
        delay = rng.gauss(5, 25)
        arrival = "" if rng.random() < 0.03 else f"{delay + rng.gauss(0, 10):.0f}"
        lines.append(f"{rng.choice(['EWR', 'JFK', 'LGA'])},{rng.randrange(300, 1400)},{delay:.0f},{arrival}")
    return "\n".join(lines) + "\n"


def lay_out(work: Path, days: int = 24) -> None:
    """The module and the data of the notebook, in its folder."""
    (work / "days").mkdir(parents=True)
    (work / "flightlib.py").write_text(LIBRARY)
    (work / "airports.csv").write_text("origin,name\nEWR,Newark\nJFK,Kennedy\nLGA,La Guardia\n")
    for number in range(days):
        (work / "days" / f"2013-01-{number + 1:02}.csv").write_text(day(number))


def happened(work: Path) -> None:
    """What was edited and what came since the last session."""
    edited = LIBRARY.replace(*EDIT)
    assert edited != LIBRARY
    (work / "flightlib.py").write_text(edited)
    (work / "days" / "2013-01-05.csv").write_text(day(500))
    (work / "days" / "2013-02-01.csv").write_text(day(501))
