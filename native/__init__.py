"""The C core and its cffi builder."""
