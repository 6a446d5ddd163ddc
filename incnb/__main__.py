"""The command line as a process: `incnb`, `jupyter incnb`, `python -m incnb`.

Imports nothing before Ctrl-C is answered: it comes without a traceback whether it falls on an import or on the end.
"""

import sys


def main() -> int:
    """Follow the command line of this process; the status to exit with."""
    try:
        from incnb.batch.command import main as follow

        status = follow()
        _end_quietly()
    except KeyboardInterrupt:
        return 130
    return status


def _end_quietly() -> None:
    """All is done and said: what comes while Python ends must not make it tell of itself."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
