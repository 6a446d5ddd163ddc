"""What the tests of saving and loading share."""

import dataclasses
from typing import Any

import pytest

from incnb.store import Unpicklable, dump, load


@dataclasses.dataclass
class Point:
    x: int
    y: list[int] = dataclasses.field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")


def again(value: Any, **options: Any) -> Any:
    """The value after a save and a restore."""
    pickled = dump(value, **options)
    namespace = options.get("namespace")
    return load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers], namespace=namespace)


def refusal(value: Any, root: str = "value", **options: Any) -> Unpicklable:
    """Why the value is refused."""
    with pytest.raises(Unpicklable) as error:
        dump(value, root=root, **options)
    assert "\n" not in str(error.value)
    return error.value


def notebook(source: str) -> dict[str, Any]:
    """A namespace like that of a notebook after running `source`."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace
