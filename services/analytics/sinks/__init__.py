"""The writing side: rows and offsets in one transaction."""
