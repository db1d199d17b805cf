"""``python -m starter.cli``: the same as ``dialtone``, where the console script is not installed."""

from starter.cli import main

main()
