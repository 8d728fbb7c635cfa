"""A market and a busy client: feeds, traffic, the demonstration."""
