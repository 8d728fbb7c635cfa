"""The stage runtime, the messages and the settings; knows no service."""
