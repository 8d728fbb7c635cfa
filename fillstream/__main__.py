"""`python -m fillstream` is the `fillstream` command."""

from fillstream.cli.app import main

main()
