"""The reading side: the public streams, in order, and what they still have."""
