"""The books: what every account holds of every instrument, and how it came to that."""
