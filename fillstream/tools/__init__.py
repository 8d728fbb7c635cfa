"""What looks at a desk from outside: status, replay, audit, dead letters, doctor."""
