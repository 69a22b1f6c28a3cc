import sys
from pathlib import Path

UNIT = Path(__file__).parents[1]
sys.path[:0] = [str(UNIT / name) for name in ("aggregate", "judging", "label", "store")]
