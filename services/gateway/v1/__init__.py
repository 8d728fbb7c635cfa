"""The desk's own API."""
