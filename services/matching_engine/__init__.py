"""Simulated venues, SIM first: a price-time-priority book in C behind frames."""
