"""Prices that are waited for, still ones and such as follow the market; orders and exits of positions share them."""
