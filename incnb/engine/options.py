"""The options of a cell: `%%incremental --name features --quiet`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from incnb.model import IncnbError

_FLAGS = {"--quiet", "--force", "--off", "--verify", "--pin", "--keep-going"}
_VALUES = {"--name", "--version", "--ttl", "--when"}
_LISTS = {"--ignore", "--config", "--file", "--allow"}
ALLOWED = ("network", "subprocess", "input", "widgets", "threads", "random", "clock")
#: What `--ttl` lets pass for its time.
TIMED = frozenset({"network", "clock"})
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class OptionError(IncnbError):
    """An option that does not exist, or lacks its value."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked for on one cell, or for all cells of the notebook."""

    name: str = ""
    version: str = ""
    quiet: bool = False
    force: bool = False
    off: bool = False
    verify: bool = False
    pin: bool = False
    keep_going: bool = False
    ttl: float | None = None  # seconds
    when: str = ""
    ignore: tuple[str, ...] = field(default=())
    files: tuple[str, ...] = field(default=())
    allow: frozenset[str] = field(default=frozenset())
    config: tuple[str, ...] = field(default=())  # expressions


def parse(line: str, defaults: Options | None = None) -> Options:
    """The options in a line, over `defaults`. Raises `OptionError` with one line that says what to do."""
    base = defaults or Options()
    found: dict[str, object] = {}
    lists = {
        "--ignore": list(base.ignore),
        "--config": list(base.config),
        "--file": list(base.files),
        "--allow": sorted(base.allow),
    }
    try:
        words = shlex.split(line)
        raw = _RAW.findall(line)
    except ValueError as error:
        raise OptionError(f"the options {line!r} cannot be read: {error}") from error
    written = raw if len(raw) == len(words) else words
    at = 0
    while at < len(words):
        word, equals, value = words[at].partition("=")
        at += 1
        if word in _FLAGS:
            found[word[2:]] = True
        elif word in _VALUES | _LISTS:
            if not equals:
                if at >= len(words) or words[at].startswith("--"):
                    raise OptionError(f"{word} wants a value: {word} {_EXAMPLES.get(word, 'NAME')}")
                value = words[at]
                at += 1
            if word in _VALUES:
                found[word[2:]] = value
            else:
                first = written[at - 1].removeprefix(f"{word}=")
                lists[word].append(_expression(first) if word == "--config" else value)
                while at < len(words) and not words[at].startswith("--"):
                    lists[word].append(_expression(written[at]) if word == "--config" else words[at])
                    at += 1
        else:
            known = ", ".join(sorted(_FLAGS | _VALUES | _LISTS))
            raise OptionError(f"there is no option {word!r}; there are {known}")
    allowed = [wish for word in lists["--allow"] for wish in word.split(",")]
    for wish in allowed:
        if wish not in ALLOWED:
            raise OptionError(f"--allow does not know {wish!r}; it knows {', '.join(ALLOWED)}")
    return Options(
        name=str(found.get("name", base.name)),
        version=str(found.get("version", base.version)),
        quiet=bool(found.get("quiet", base.quiet)),
        force=bool(found.get("force", base.force)),
        off=bool(found.get("off", base.off)),
        verify=bool(found.get("verify", base.verify)),
        pin=bool(found.get("pin", base.pin)),
        keep_going=bool(found.get("keep-going", base.keep_going)),
        ttl=_duration(str(found["ttl"])) if "ttl" in found else base.ttl,
        when=str(found.get("when", base.when)),
        ignore=tuple(lists["--ignore"]),
        config=tuple(lists["--config"]),
        files=tuple(lists["--file"]),
        allow=frozenset(allowed),
    )


_EXAMPLES = {"--ttl": "2h", "--when": "EXPR", "--file": "GLOB", "--allow": "network", "--version": "TEXT"}
_QUOTED = r""""(?:\\.|[^"\\])*"|'[^']*'"""
_RAW = re.compile(rf"(?:{_QUOTED}|\\.|[^\s\"'\\])+")


def _expression(word: str) -> str:
    """A Python expression as it was meant: `cfg['lr']` keeps its quotes, `"cfg['lr'] * 2"` loses those around it."""
    return shlex.split(word)[0] if re.fullmatch(_QUOTED, word) else word


def _duration(text: str) -> float:
    """Seconds in `90s`, `2h`, `1d`."""
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise OptionError(f"--ttl {text!r} is no time: say 90s, 15m, 2h, 1d or 1w") from None
    if seconds <= 0:
        raise OptionError(f"--ttl {text!r} is no time: it must be more than nothing")
    return seconds
