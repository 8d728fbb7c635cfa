"""The local stack: an embedded server and every service as a process on this machine."""
