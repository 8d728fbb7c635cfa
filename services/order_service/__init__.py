"""Signals to orders, and the orders' whole life."""
