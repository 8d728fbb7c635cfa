"""Strategies: what they are told, and the desk that they speak to; the same in a backtest and live."""
