"""Market data from files: which kind a file is, and what happened on the market by it, in order."""
