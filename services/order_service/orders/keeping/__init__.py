"""The state of the orders stage as bytes, and back."""
