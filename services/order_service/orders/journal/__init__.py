"""The events of an account partition: their one writer."""
