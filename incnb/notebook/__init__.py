"""The IPython face: transformers, hooks, magics and footers."""
