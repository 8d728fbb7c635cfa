"""Orders that make orders: what parents of every kind have in common.

Flows in: orders that are worked, and what becomes of their children. Flows out: children, and how parents stand.
"""
