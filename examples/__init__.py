"""Small programs that show what a desk does: each is run by `python -m examples.NAME`, and by the tests."""
