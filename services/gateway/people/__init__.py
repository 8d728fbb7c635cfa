"""People who log in to the gateway: their sessions, their passwords, and what is told of them."""
