"""Orders that know each other: brackets, and lists of which one cancels, triggers or updates the other.

Flows in: lists and entries that are taken, what becomes of their orders. Flows out: children, cancels, sizes.
"""
