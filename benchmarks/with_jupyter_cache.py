"""One notebook by jupyter-cache, as MyST-NB asks it: what is not in the cache executes, then outputs are merged in.

python benchmarks/with_jupyter_cache.py NOTEBOOK OUT    # the cache is the folder JUPYTERCACHE
"""

from __future__ import annotations

import os
import sys

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor


def main(source: str, target: str) -> None:
    cache = get_cache(os.environ["JUPYTERCACHE"])
    cache.add_nb_to_project(source)
    # in the folder of the notebook: beside it lies a module
    result = load_executor("local-serial", cache).run_and_cache(timeout=None)
    if result.excepted or result.errored:
        sys.exit(f"{source} failed")
    _, merged = cache.merge_match_into_notebook(nbformat.read(source, as_version=4))
    nbformat.write(merged, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
