"""Studies are run with their folder on the path, and so are the tests of their pure parts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "science"))
