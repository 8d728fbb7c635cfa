"""Where the tree that is tested stands."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
