"""The vocabulary: one stream's contracts a file, codes, names of streams, and what clients write."""
