"""``python -m callcenter``: the command ``callcenter`` in a clone that nobody installed."""

import sys

from callcenter.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
