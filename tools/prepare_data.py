"""Prepare a folder of CTs for training: the same as `python -m meddiff_core.preparation`."""

import sys

from meddiff_core.preparation.prepare import main

if __name__ == "__main__":
    sys.exit(main())
