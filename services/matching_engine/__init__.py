"""The venue SIM: a price-time-priority book in C behind frames."""
