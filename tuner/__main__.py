"""``python -m tuner`` is ``tuner``."""

import os
import sys

if not sys.flags.safe_path and sys.path[0] == os.getcwd():
    del sys.path[0]  # where -m put the current folder: a file there must not stand in for a library

from tuner.cli import main

if __name__ == "__main__":
    main()
