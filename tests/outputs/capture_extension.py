"""A test extension: `#capture NAME` as the first line of a cell records it, `replay("NAME")` shows it again.

The capture starts in an AST transformer and stops in `post_run_cell`, as the real thing does.
"""

from __future__ import annotations

import ast
import json
import types
from typing import Any

from incnb.outputs import streams
from incnb.outputs.events import Event, Replayed, replay
from incnb.outputs.streams import Capture

recordings: dict[str, list[Event]] = {}
problems: dict[str, str | None] = {}


class Recorder(ast.NodeTransformer):
    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.running: list[tuple[str, Capture]] = []

    def visit_Module(self, node: ast.Module) -> ast.Module:
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str(text))), *rest] if text.startswith("capture "):
                node.body = rest
                capture = Capture(self.shell)
                self.running.append((text.removeprefix("capture "), capture))
                capture.start()
        return node

    def finish(self, result: Any) -> None:
        if self.running:
            name, capture = self.running.pop()
            recordings[name] = capture.stop()
            problems[name] = capture.problem


def load_ipython_extension(shell: Any) -> None:
    recorder = Recorder(shell)
    shell.ast_transformers.append(recorder)
    shell.events.register("post_run_cell", recorder.finish)

    def play(name: str) -> Replayed | None:
        events = [Event.from_dict(json.loads(json.dumps(event.to_dict()))) for event in recordings[name]]
        replay(shell, events)
        results = [event for event in events if event.type == "result"]
        return Replayed(results[-1].data, results[-1].metadata) if results else None

    def traces() -> list[str]:
        import sys

        owners = {"stdout": sys.stdout, "stderr": sys.stderr, "pub": shell.display_pub, "hook": shell.displayhook}
        return sorted(
            f"{name}.{attribute}"
            for name, owner in owners.items()
            for attribute, value in vars(owner).items()
            if isinstance(value, types.FunctionType) and value.__globals__ is vars(streams)
        )

    shell.push({"play": play, "recordings": recordings, "problems": problems, "traces": traces}, interactive=False)
