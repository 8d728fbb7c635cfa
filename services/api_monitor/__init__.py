"""Polls outside prediction APIs, and publishes what they say as predictions."""
