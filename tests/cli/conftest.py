"""The documents' parser and the tools that they name stand in tools/, which import their neighbours."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
