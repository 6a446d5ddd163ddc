"""`python -m incnb`: the command line."""

import sys

from incnb.batch.command import main

if __name__ == "__main__":
    sys.exit(main())
