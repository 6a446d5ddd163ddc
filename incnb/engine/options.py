"""The options of a cell: `%%incremental --name features --quiet`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from incnb.model import IncnbError

_FLAGS = {"--quiet", "--force", "--off"}
_VALUES = {"--name", "--version"}
_LISTS = {"--ignore", "--config"}
_LATER = {"--verify", "--file", "--allow", "--ttl", "--when", "--pin", "--keep-going"}


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
    ignore: tuple[str, ...] = field(default=())
    config: tuple[str, ...] = field(default=())  # expressions


def parse(line: str, defaults: Options | None = None) -> Options:
    """The options in a line, over `defaults`. Raises `OptionError` with one line that says what to do."""
    base = defaults or Options()
    found: dict[str, object] = {}
    lists = {"--ignore": list(base.ignore), "--config": list(base.config)}
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
                    raise OptionError(f"{word} wants a value: {word} NAME")
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
        elif word in _LATER:
            raise OptionError(f"{word} is not available in this version of incnb")
        else:
            known = ", ".join(sorted(_FLAGS | _VALUES | _LISTS))
            raise OptionError(f"there is no option {word!r}; there are {known}")
    return Options(
        name=str(found.get("name", base.name)),
        version=str(found.get("version", base.version)),
        quiet=bool(found.get("quiet", base.quiet)),
        force=bool(found.get("force", base.force)),
        off=bool(found.get("off", base.off)),
        ignore=tuple(lists["--ignore"]),
        config=tuple(lists["--config"]),
    )


_QUOTED = r""""(?:\\.|[^"\\])*"|'[^']*'"""
_RAW = re.compile(rf"(?:{_QUOTED}|\\.|[^\s\"'\\])+")


def _expression(word: str) -> str:
    """A Python expression as it was meant: `cfg['lr']` keeps its quotes, `"cfg['lr'] * 2"` loses those around it."""
    return shlex.split(word)[0] if re.fullmatch(_QUOTED, word) else word
