"""The widget of the panel: an `anywidget` whose front end is one ES module and one stylesheet beside this file.

Imported only when a panel is shown to somebody who sits there: anywidget brings ipywidgets along. The state that
travels when a view is made (also after a reload of the page, when the front end asks the kernel for the state of all
widgets) is made at that moment from the rows as they are; what changes later is sent with the changed rows alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_STATIC = Path(__file__).parent / "static"


class PanelWidget(anywidget.AnyWidget):
    """One panel in the front end. `snapshot` gives all rows as they are, from any thread."""

    _esm = _STATIC / "panel.js"
    _css = _STATIC / "panel.css"
    uid = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(
        sync=True,
        to_json=lambda value, widget: widget.snapshot(),
        from_json=lambda value, widget: {},  # a front end has nothing to say here
    )

    def __init__(self, snapshot: Callable[[], dict[str, Any]]):
        self.snapshot = snapshot
        uid = uuid.uuid4().hex
        super().__init__(uid=uid, model_id=uid)  # so that the front end can find its own model
        # the application that a notebook is read in gives the width
        self.layout.width = "100%"

    @property
    def comm_ids(self) -> frozenset[str]:
        """The ids of the comms of this widget and of what ipywidgets gives each widget; empty when it is closed."""
        widgets = (self, self.layout)
        return frozenset(widget.comm.comm_id for widget in widgets if widget.comm is not None)
