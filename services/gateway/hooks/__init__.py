"""Alerts that other software posts: who may, what they say, and which signals come of them."""
