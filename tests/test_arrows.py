"""The rooms and their arrows: down the floors, never up and never sideways."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "incnb"
FLOORS = {
    "redaction": -1,  # what is kept out of texts: knows nothing of incnb
    "model": 0,
    "config": 0.5,  # the one class that users make themselves: stands on model, and every room may know it
    "sources": 0.5,  # what users make themselves as well
    "failed": 0.5,  # what stands among the results of users
    "fingerprint": 1,
    "analysis": 2,  # stands on fingerprint: how code reads is one idea, found in the bytecode
    "dependencies": 3,
    "outputs": 3,
    "store": 3,
    "explain": 3,
    "engine": 4,
    "batch": 5,
    "notebook": 6,
    "__main__": 7,
}
NOT_FROM = {"store": {"fingerprint", "analysis"}, "explain": {"fingerprint", "analysis"}}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("incnb"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("incnb.")}
    return found


def test_arrows_point_down() -> None:
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in imports(path) - {room}:
            assert FLOORS[other] < FLOORS[room], f"{path.relative_to(PACKAGE)} imports incnb.{other}"
            assert other not in NOT_FROM.get(room, set()), f"{path.relative_to(PACKAGE)} imports incnb.{other}"


def test_only_the_face_imports_ipython_at_the_top() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] == "notebook":
            continue
        for node in ast.parse(path.read_text()).body:
            names = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            )
            assert not any(n.split(".")[0] in ("IPython", "ipykernel") for n in names), path


def test_every_room_explains_itself_and_stays_small() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
        assert len(text.splitlines()) <= 450, f"{path} has {len(text.splitlines())} lines: two rooms that share a door?"
