"""`python -m meddiff_core.preparation`, see `prepare.py`."""

import sys

from meddiff_core.preparation.prepare import main

if __name__ == "__main__":
    sys.exit(main())
