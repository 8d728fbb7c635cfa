"""`python -m fillstream` is the `fillstream` command."""

from fillstream.cli import main

main()
