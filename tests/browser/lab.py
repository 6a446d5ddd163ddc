"""A real Jupyter server on loopback with nothing of the person's set-up around it, and a notebook in it.

The server and its kernels get a HOME and configuration folders of their own, ask nobody for news or updates, and are
ended with everything that they started. A notebook in the browser counts as ready when the websocket of its kernel has
delivered frames and has been silent for a second: the page looks ready long before.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT: Final = Path(__file__).resolve().parents[2]
TOKEN: Final = "t"
PATIENCE: Final = 90  # seconds, on a loaded machine; nothing waits that long where all is well
_QUIET: Final = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True,
    },
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},  # light or dark as the browser says
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}  # fmt: skip
_NO_ANSWER: Final = (OSError, http.client.HTTPException)


class Server:
    """A server of one application, `lab` or `notebook`, in `folder / "work"`."""

    def __init__(self, folder: Path, app: str = "lab", **env: str):
        self.app = app
        self.work = folder / "work"
        self.env = _environment(folder, env)
        for name in ("work", "home", "config", "data", "runtime"):
            (folder / name).mkdir(exist_ok=True)
        labconfig = folder / "config" / "labconfig"
        labconfig.mkdir(exist_ok=True)
        (labconfig / "default_setting_overrides.json").write_text(json.dumps(_QUIET))
        self.log = folder / f"{app}.log"
        self.url = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for attempt in range(5):
            self._start(_free_port())
            try:
                if self._is_up():
                    return self
            finally:
                if not self.url:
                    self._end()
            assert attempt < 4, f"the server did not start:\n{self.log.read_text()[-3000:]}"
        raise AssertionError

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "jupyter", self.app, "--no-browser", "--allow-root"]
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
        command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.work}"]
        self._port = port
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=self.env, cwd=self.work, stdout=log, stderr=log)

    def __exit__(self, *error: object) -> None:
        self._end()

    def _is_up(self) -> bool:
        """Wait until the server answers; False if it has ended, as it does when somebody else was faster at its port."""
        assert self._process is not None
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(*_NO_ANSWER), self._ask("status"):
                self.url = f"http://127.0.0.1:{self._port}"
                return True
            time.sleep(0.1)
        return False

    def _ask(self, what: str, method: str = "GET") -> Any:
        address = f"http://127.0.0.1:{self._port}/api/{what}?token={TOKEN}"
        straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the environment says
        return straight.open(urllib.request.Request(address, method=method), timeout=20)

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(self._process.pid)
            started = server.children(recursive=True)
            if self.url:
                with contextlib.suppress(*_NO_ANSWER):
                    self._ask("shutdown", "POST").close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(20)
            for process in (*started, server):
                with contextlib.suppress(psutil.Error):
                    process.kill()  # it knows a process from a later one with the same number
        self._process.wait(20)

    def save(self, name: str, cells: list[str]) -> Path:
        """Write a notebook of code cells, `cell-1` and so on."""
        path = self.work / name
        made = [
            {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": text}
            for n, text in enumerate(cells, 1)
        ]  # fmt: skip
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path.write_text(
            json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
        )
        return path

    @contextlib.contextmanager
    def opened(self, browser: Browser, name: str, scheme: str = "light", **options: object) -> Iterator[Opened]:
        """The notebook in a browser, with its kernel ready."""
        context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        try:
            found = Opened(page, self)
            where = {"lab": "lab/tree", "notebook": "notebooks"}[self.app]
            page.goto(f"{self.url}/{where}/{name}?token={TOKEN}")
            found.wait_for_kernel()
            yield found
        finally:
            context.close()


class Opened:
    """A notebook in the browser."""

    def __init__(self, page: Page, server: Server):
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self._frames = 0
        page.on("websocket", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{getattr(error, 'stack', '')}"))
        page.on("request", lambda request: self._asked(request.url))

    def _listen(self, websocket: object) -> None:
        if "/channels" in websocket.url:  # type: ignore[attr-defined]
            websocket.on("framereceived", lambda frame: self._count())  # type: ignore[attr-defined]

    def _count(self) -> None:
        self._frames += 1

    def _asked(self, url: str) -> None:
        if not url.startswith((self.server.url, "data:", "blob:", "about:")):
            self.elsewhere.append(url)

    def wait_for_kernel(self) -> None:
        """Until the kernel has said something, and then nothing for a second."""
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        until, seen, since = time.monotonic() + PATIENCE, 0, time.monotonic()
        while time.monotonic() < until:
            if self._frames != seen:
                seen, since = self._frames, time.monotonic()
            elif seen and time.monotonic() - since > 1:
                return
            self.page.wait_for_timeout(100)  # lets the frames in, as a sleep of ours would not
        raise AssertionError(f"the kernel did not answer:\n{self.server.log.read_text()[-3000:]}")

    def run_all(self) -> None:
        """Through the menu, as people do it; returns at once."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator('[data-command="runmenu:run-all"]').click()

    def prompt(self, cell: int) -> Locator:
        """The number before a cell, counted from 1: `[3]:`, `[*]:` while it runs or waits."""
        return self.cell(cell).locator(".jp-InputPrompt").first

    def cell(self, cell: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell - 1)

    def wait_for(self, cell: int, number: int | None = None) -> None:
        """Until a cell has been run, as that number."""
        from playwright.sync_api import expect

        wanted = re.compile(r"\[\d+\]" if number is None else rf"\[{number}\]")
        expect(self.prompt(cell)).to_have_text(wanted, timeout=PATIENCE * 1000)

    def run(self, cell: int) -> None:
        """Run one cell by the keyboard, and wait for it."""
        before = self.prompt(cell).text_content()
        self.cell(cell).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            "([at, before]) => { const text = document.querySelectorAll('.jp-Notebook .jp-Cell')[at]"
            ".querySelector('.jp-InputPrompt').textContent; return /\\d/.test(text) && text !== before }",
            arg=[cell - 1, before],
        )

    def output(self, cell: int) -> str:
        return self.cell(cell).locator(".jp-OutputArea").inner_text()


def _free_port() -> int:
    """A port that nobody uses, below those that systems hand out by themselves, to kernels for example."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


def _environment(folder: Path, more: dict[str, str]) -> dict[str, str]:
    dropped = re.compile(r"JUPYTER|JPY_|IPYTHON|INCNB|PYTHONSTARTUP|PYTEST|MPLBACKEND|VSCODE|.*_proxy$", re.I)
    env = {name: value for name, value in os.environ.items() if not dropped.match(name)}
    config, data = folder / "config", folder / "data"
    return env | {
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
        "XDG_CONFIG_HOME": str(folder / "home" / ".config"),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(data),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(config / "lab" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(config / "lab" / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(folder / "ipython"),
        "INCNB_STORE": str(folder / "store"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])]),
        **more,
    }
