"""Exact numbers, and how a value is shown in a sentence; imports nothing of the house."""
