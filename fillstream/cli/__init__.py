"""The `fillstream` command."""
