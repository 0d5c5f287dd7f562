"""`python -m onhand`: the command, for where its script is not on the path."""

from onhand.cli import main

main()
