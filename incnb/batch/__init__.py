"""Notebooks executed and asked about from outside: the command line, and what other tools of Jupyter run them with."""
