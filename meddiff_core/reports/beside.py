"""What stands beside a result, such as a picture, is no reason to lose the result or the scans after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger("meddiff")


@contextmanager
def beside_result(path: Path) -> Iterator[None]:
    """Say that `path` was written when the block ends well, and in one line why not when it fails."""
    try:
        yield
    except Exception as error:  # of any kind: the result itself is whole
        logger.warning("%s is missing, the result is not: %s: %s", path, type(error).__name__, error)
    else:
        logger.info("Wrote %s", path)
