"""Draw the pictures of the panel for the documentation: `python tests/browser/screenshots.py [FOLDER]`.

They are taken from a real JupyterLab, as in `test_lab.py`: the shortened example after an edit and new data.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

SIZE = {"width": 1180, "height": 960}


def main() -> None:
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]  # as pytest does
    import flights_demo as demo
    from chromium import ARGUMENTS, find
    from lab import Server
    from playwright.sync_api import sync_playwright
    from test_lab import recorded

    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1] / "docs"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=ARGUMENTS)
        for scheme in ("light", "dark"):
            with tempfile.TemporaryDirectory(prefix="incnb-") as name:
                folder = Path(name)
                server = Server(folder)
                recorded(server, folder)
                server.save("flights.ipynb", demo.CELLS)
                with server, server.opened(browser, "flights.ipynb", scheme, viewport=SIZE) as opened:
                    page = opened.page
                    page.keyboard.press("Control+b")  # the list of files
                    opened.run_all()
                    opened.wait_for(len(demo.CELLS), len(demo.CELLS))
                    page.locator(".incnb-row", has=page.get_by_text("build the features", exact=True)).click()
                    page.locator(".incnb-diff").scroll_into_view_if_needed()
                    page.mouse.move(5, 5)
                    opened.cell(2).scroll_into_view_if_needed()
                    page.wait_for_timeout(1000)
                    path = target / f"panel-{scheme}.png"
                    page.screenshot(path=path)
                    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
