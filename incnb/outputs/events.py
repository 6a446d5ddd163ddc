"""Outputs as events: what a cell showed, in a form that can be saved and played back.

`Event` is one output, `replay` shows events again through the shell's own channels, and `Replayed` stands for the value
of a last expression, so that IPython's display hook sends a true `execute_result` with the recorded bundle.
"""

from __future__ import annotations

import base64
import math
import numbers
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal, final

OURS: Final = "incnb"

Type = Literal["stream", "display", "update", "clear", "result"]


@final
@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was shown. `name` and `text` belong to streams, `wait` to `clear`, the bundles to the others."""

    type: Type
    name: str = ""
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    transient: dict[str, Any] = field(default_factory=dict)
    wait: bool = False

    def to_dict(self) -> dict[str, Any]:
        match self.type:
            case "stream":
                return {"type": self.type, "name": self.name, "text": self.text}
            case "clear":
                return {"type": self.type, "wait": self.wait}
            case "result":
                return {"type": self.type, "data": self.data, "metadata": self.metadata}
            case _:
                bundle = {"data": self.data, "metadata": self.metadata, "transient": self.transient}
                return {"type": self.type, **bundle}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Event:
        if data["type"] not in ("stream", "display", "update", "clear", "result"):
            raise ValueError(f"unknown type of output: {data['type']!r}")
        return cls(
            data["type"],
            data.get("name", ""),
            data.get("text", ""),
            data.get("data", {}),
            data.get("metadata", {}),
            data.get("transient", {}),
            data.get("wait", False),
        )


@final
class Replayed:
    """Stands for the value of a reused cell's last expression: formats as the recorded bundle, so that IPython's own
    display hook sends a true result, with its prompt number, in every front end.
    """

    __slots__ = ("_data", "_metadata")

    def __init__(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        self._data = data
        self._metadata = metadata or {}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(self._data), dict(self._metadata)

    def __repr__(self) -> str:
        return str(self._data.get("text/plain", ""))


def replay(shell: Any, events: Sequence[Event]) -> None:
    """Show the events again, all but the results."""
    unflushed = ""
    for event in events:
        if event.type == "stream":
            # ipykernel sends the two streams in no order unless the first is flushed before the second is written.
            if unflushed and unflushed != event.name:
                getattr(sys, unflushed).flush()
            getattr(sys, event.name).write(event.text)
            unflushed = event.name
        elif event.type == "clear":
            shell.display_pub.clear_output(event.wait)
        elif event.type in ("display", "update"):
            # As IPython's own display(): publishers need not know what is not used.
            extra: dict[str, Any] = {}
            if event.transient:
                extra["transient"] = dict(event.transient)
            if event.type == "update":
                extra["update"] = True
            shell.display_pub.publish(data=dict(event.data), metadata=dict(event.metadata), **extra)


def plain(value: Any) -> Any:
    """A copy of a bundle as the kernel would send it: bytes as base64 text, odd numbers and sequences as JSON has them.

    A copy, because the code may change its dict after displaying it.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool or kind is int:
        return value
    if isinstance(value, dict):
        converted = {_key(key): plain(item) for key, item in value.items()}
        if len(converted) != len(value):
            raise ValueError("two keys of a display are the same text")
        return converted
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.astimezone()).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Iterator) or not isinstance(value, Iterable):
        # The kernel has sent an iterator by now: nothing is left of it to record.
        raise TypeError(f"a {kind.__name__} in a display is not JSON")
    return [plain(item) for item in value]


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int | float):
        return repr(key)
    raise TypeError(f"a {type(key).__name__} as a key in a display is not JSON")
