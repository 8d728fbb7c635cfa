"""What is pushed: changes of rows and events, to whoever keeps a connection open."""
