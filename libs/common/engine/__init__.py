"""The matching core: frames of 64-byte records, and the C engine, bytes in and out; beside it, a table of ids in C."""
