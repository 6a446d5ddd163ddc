"""What people and logs are not shown: passwords, tokens, keys. Better a harmless literal too many than a secret.

Texts are of all sorts (code, a piece of it, command lines, addresses, `repr`s), mostly not parseable, so literals are
found by what stands before them: one pass over the words that secrets go by, and a reading of what follows each.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

SHOWN_LIMIT: Final = 200

#: Names that secrets of the environment go by: wide, since nothing is lost by not showing them.
SECRET: Final = re.compile("key|token|secret|pass|pwd|credential|auth|private", re.IGNORECASE)

# In code words have ends: `monkey`, `tokenizer` and `author` are not secrets.
_ENDS: Final = r"(?![a-z])(?!(?<=[A-Z])[A-Z])"
_HINTS: Final = ("key", "token", "secret", "pass", "pw", "credential", "auth", "private")
_HINT: Final = re.compile("|".join(_HINTS), re.IGNORECASE)
_WORD: Final = re.compile(
    rf"""(?i:passw|passphrase|secret|credential|authorization|(?:(?<=api)|(?<=access))key)
    |(?:(?i:token|(?<=o)auth|(?:(?<=db)|(?<=user)|(?<=my)|(?<=pg))pass)
       |(?<![A-Za-z])(?i:key|pass|pwd?|auth|private)|(?<=[a-z\d])(?:Key|Pass|Pwd?|Auth|Private))[sS]?{_ENDS}""",
    re.VERBOSE,
)
_FAR: Final = 120  # characters that a name may have, so that no text is read over and over
_SET: Final = re.compile(r"""[\w-]{0,120}["'\\\])]*\s*(?:[:+|]?=(?!=)|==(?=\s*[rbfu]?["']))""")
_ANNOTATED: Final = re.compile(r"""\w{0,120}\s*:\s*[\w.\[\], |"']{1,80}=(?!=)""")
_UNPACKED: Final = re.compile(r"\w{0,120}(?:\s*,\s*\*?[\w.]{1,120}){1,20}\s*[)\]]?\s*=(?!=)")
_TARGETS: Final = re.compile(r"[\s(\[+-]*(?:[\w.*]+\s*,\s*)*\*?[\w.]*")
_ENTRY: Final = re.compile(r"""[\w-]{0,120}(?:\\?["']\s*:|\s*:(?=\s*[rbfuRBFU]{0,2}["']))""")
_NEXT: Final = re.compile(r"""[\w-]{0,120}["']\s*,""")
_ASKING: Final = re.compile(
    r"""(?:\b(?:get|getenv|pop|setdefault|setenv|putenv|set)\(|\bsetattr\([^,()]{1,60},)\s*[rbfu]?["']$"""
)
_CALLED: Final = re.compile(r"""\w\(\s*[rbfu]?["']$""")
_NAMING: Final = re.compile(r"(?:\b(?:get|getenv|pop|setdefault)\(\s*|[\w)\]]\[)$")
_QUERY: Final = re.compile(r"""[\w.-]{0,120}=((?!\{|…)[^&\s"'#]+|)""")
_FLAG: Final = re.compile(r"""[\w-]{0,120}(?:=|[ \t]+)(?![-${=]|…)("[^"\n]*"?|'[^'\n]*'?|[^\s"',;|)&]+)""")
_HEADER: Final = re.compile(
    r"""[\w-]{0,120}:[ \t]*(?!\{|…)((?:(?:Bearer|Basic|Token|Digest)[ \t]+)?(?!\{|…)[^\s"']+)""", re.I
)
_BARE: Final = re.compile(r"""[\s(\[{]*[rbfuRBFU]{0,2}["']""")
_PIECE: Final = re.compile(
    r'''(?P<text>(?:(?<!\w)[rbfuRBFU]{1,2})?(?:"""(?:\\.|[^\\])*?(?:"""|\Z)|\'\'\'(?:\\.|[^\\])*?(?:\'\'\'|\Z)'''
    r"""|"(?:\\.|[^"\\\n])*(?:"|\\?\Z|(?=\n))|'(?:\\.|[^'\\\n])*(?:'|\\?\Z|(?=\n))))"""
    r"""|(?P<rest>\#[^\n]*|\\\n)|(?P<mark>[\[({\])},;\n])""",
    re.DOTALL,
)
_NAME: Final = re.compile(r"""[rbfuRBFU]{0,2}["'][\w.-]*["']""")
_PASSWORD: Final = re.compile(r"(://[^/\s:@]*:)[^/\s]+@")
_BEARER: Final = re.compile(r"""(\bBearer\s+)[^\s"'{…][^\s"'{]{3,}""")
_EXPORT: Final = re.compile(r"(?:%env|%set_env|\bexport|\s-e|--env|^!)\s*\w*$")
_EXPORTED: Final = re.compile(r"\w{0,120}(?:=|[ \t])[ \t]*(?![=$…])(\S.*)")


_Found = tuple[list[tuple[int, int]], int]  # from where to where, and the end of what was looked at


@lru_cache(4096)
def _is_secret(name: str | bytes) -> bool:
    return SECRET.search(os.fsdecode(name)) is not None


def redacted(text: str) -> str:
    """A text without passwords of addresses, what is assigned to names of secrets, and secrets of the environment."""
    if "://" in text:
        text = _PASSWORD.sub(r"\1…@", text)
    # first: a value that is cut into pieces by what follows would not be found any more
    # past the coder of os.environ, which is watched while a cell runs
    for name, value in list(getattr(os.environ, "_data", {}).items()):
        if len(value) >= 6 and _is_secret(name):
            text = _without(text, os.fsdecode(value))
    if announced := _announced(text):
        text = "".join(_pieces(text, announced))
    if "Bearer" in text:
        text = _BEARER.sub(r"\1…", text)
    return text


def shorten(text: str, limit: int = SHOWN_LIMIT) -> str:
    """One line of at most `limit` characters, without secrets."""
    # before it is cut or put on one line: half of a secret is not found any more
    text = " ".join(redacted(text[: 20 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _without(text: str, value: str) -> str:
    whole, heads = _forms(value)
    for form in whole:
        if form in text:
            text = text.replace(form, "…")
    for head, form in heads:
        at = text.find(head)
        while at >= 0:
            text = f"{text[:at]}…{text[at + _alike(text, at, form) :]}"
            at = text.find(head, at)
    return text


def _alike(text: str, at: int, form: str) -> int:
    differing = (count for count, (a, b) in enumerate(zip(text[at : at + len(form)], form, strict=False)) if a != b)
    return next(differing, min(len(text) - at, len(form)))


@lru_cache(256)
def _forms(value: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """How a value may stand in a text, longest first; and of long ones, which may be cut, their beginnings."""
    lines = [line.strip() for line in value.splitlines()]
    found: set[str] = set()
    for part in {value, value.strip(), " ".join(value.split()), *(lines if len(lines) > 1 else ())}:
        raw = part.encode("utf-8", "surrogateescape")
        # a repr escapes quotes by what else it holds
        said = (part, repr(part)[1:-1], repr(f"{part}\"'")[1:-4], repr(raw)[2:-1], repr(raw + b"\"'")[2:-4])
        found |= {form for form in (*said, json.dumps(part)[1:-1]) if len(form) >= 6}
    whole = tuple(sorted(found, key=len, reverse=True))
    # not of paths: what lies beside a file of secrets is none
    return whole, tuple((form[:16], form) for form in whole if len(form) >= 24 and form[0] not in "/~.")


def _announced(text: str) -> list[int]:
    """Where the words stand that secrets go by, and others that look like them."""
    lowered = text.lower()
    if len(lowered) != len(text):  # there are letters that become two
        return [found.start() for found in _HINT.finditer(text)]
    places = []
    for hint in _HINTS:  # many times as fast as the pattern
        at = lowered.find(hint)
        while at >= 0:
            places.append(at)
            at = lowered.find(hint, at + 1)
    return sorted(places)


def _pieces(text: str, announced: list[int]) -> Iterator[str]:
    done = seen = 0
    for at in announced:
        if at < seen:
            continue
        spans, seen = _hidden(text, at)
        for start, end in spans:
            yield text[done:start]
            yield "…"
            done = end
    yield text[done:]


def _hidden(text: str, at: int) -> _Found:
    """Where the secrets stand that the word here announces, and how far the text is known by that."""
    begin = at
    while begin and at - begin < _FAR and (text[begin - 1].isalnum() or text[begin - 1] in "_.-"):
        begin -= 1
    before = text[max(0, begin - _FAR) : begin]
    line = before[before.rfind("\n") + 1 :]
    if _EXPORT.search(line) and (found := _EXPORTED.match(text, at)):
        return [found.span(1)], found.end()
    word = _WORD.match(text, at)
    if word is None:
        return [], at
    end = word.end()
    name = text[begin:end]
    if name.startswith("--"):
        if found := _FLAG.match(text, end):
            return [found.span(1)], found.end()
        if found := _NEXT.match(text, end):
            return _literals(text, found.end(), inside=True)
    if before[-1:] in ("?", "&") and (found := _QUERY.match(text, end)):
        return [found.span(1)] if found[1] else [], found.end()
    if found := _SET.match(text, end):
        if found[0].endswith("==") and not re.match("passw|secret", word[0], re.IGNORECASE):
            return [], end
        if re.fullmatch("keys?", name) and not _BARE.match(text, found.end()):
            return [], end  # sorted(xs, key=lambda row: row['n'])
        opened = sum(map(line.count, "([{")) - sum(map((line + found[0]).count, ")]}"))
        return _literals(text, found.end(), inside=opened + found[0].count("]") > 0)
    if before.rstrip(" \t")[-1:] in ("", "\n", ";", ":", "(", ",", "+", "*") and (found := _ANNOTATED.match(text, end)):
        return _literals(text, found.end(), inside=line.count("(") > line.count(")"))
    if (found := _UNPACKED.match(text, end)) and _TARGETS.fullmatch(line):
        return _literals(text, found.end(), inside=False)
    if found := _ENTRY.match(text, end):
        return _literals(text, found.end(), inside=True)
    if ("-" in name or name.lower() == "authorization") and (found := _HEADER.match(text, end)):
        return [found.span(1)], found.end()
    if found := _NEXT.match(text, end):
        shouted = (name + found[0]).isupper() and _CALLED.search(before)  # put('API_TOKEN', 'x'), not group('key', 'x')
        if shouted or _ASKING.search(before):
            return _literals(text, found.end(), inside=True)
    return [], end


def _literals(text: str, at: int, *, inside: bool) -> _Found:
    """The literals of a value; `inside` brackets it ends with a comma, and with its line unless brackets are open."""
    depth, found, end = 0, [], len(text)
    for piece in _PIECE.finditer(text, at):
        mark = piece["mark"]
        if piece["text"] is not None:
            after = text[piece.end() : piece.end() + 2].lstrip()[:1]
            names = _NAMING.search(text[max(0, piece.start() - 30) : piece.start()])
            word = _NAME.fullmatch(piece[0]) and ((names and after in ("]", ")", ",")) or (depth and after == ":"))
            if not word:
                found.append(piece.span())
        elif mark is None:
            continue
        elif mark in "([{":
            depth += 1
        elif mark in ")]}" and depth:
            depth -= 1
        elif not depth and (inside if mark in ")]}," else text[at : piece.start()].strip()):
            end = piece.start()
            break
    return found, end
