"""A generator of its own for Dask, which draws from the global one to spread its messages, in threads of its own.

What items draw is told by the state of the global generator; what Dask draws meanwhile would look like theirs.
"""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable

_OWN = random.Random()
_LIBRARIES = ("distributed", "tornado", "dask")


def apart() -> Callable[[], None]:
    """Let Dask draw from a generator of its own; calling what is given undoes it."""
    own = types.ModuleType("random")
    own.__dict__.update({name: getattr(_OWN, name, value) for name, value in vars(random).items()})
    changed = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _LIBRARIES and getattr(module, "__dict__", {}).get("random") is random:
            module.__dict__["random"] = own
            changed.append(module)

    def undo() -> None:
        for module in changed:
            if module.__dict__.get("random") is own:
                module.__dict__["random"] = random

    return undo
