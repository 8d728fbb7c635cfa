"""Alpaca's Trading API v2, for programs that speak it already: their calls, their words, their ids."""
