"""What the desk is like now, by its own public streams."""
