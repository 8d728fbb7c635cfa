"""What accounts hold, and what their working orders may make of it."""
