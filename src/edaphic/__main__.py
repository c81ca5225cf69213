"""``python -m edaphic`` is the same as ``edaphic``."""

from edaphic.cli import main

main()
