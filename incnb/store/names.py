"""How the files of a store are called: whatever is called otherwise is none of ours, and is left alone."""

from __future__ import annotations

import re
from typing import Final

BLOB: Final = re.compile(r"[0-9a-f]{64}")  # SHA-256
CODE: Final = re.compile(r"[0-9a-f]{8,128}")  # fingerprint of a cell's code: a folder of traces
LOOP: Final = re.compile(r"[0-9a-f]{32}")  # a folder of items
TRACE: Final = re.compile(r"(\d{12,18})-([0-9a-f]{16})")  # number and first digits of the digest
