"""Positions that are to be reached, until they are."""
