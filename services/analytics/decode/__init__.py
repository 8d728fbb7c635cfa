"""Entries of the streams as Arrow batches."""
