"""Fills to positions and exact P&L."""
