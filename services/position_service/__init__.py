"""Fills to positions and exact P&L, and what follows from them: exits, targets, rules, risk."""
