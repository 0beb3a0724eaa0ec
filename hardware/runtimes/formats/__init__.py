"""Files in which networks leave, by the runtimes that run them."""

from pathlib import Path

LOADERS = Path(__file__).resolve().parent.parent / "loaders"
"""Where the loaders of the runtimes are."""
