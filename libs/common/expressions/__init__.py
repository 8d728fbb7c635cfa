"""Expressions that people write in configuration: numbers are decimals, nothing runs but what is listed here."""
