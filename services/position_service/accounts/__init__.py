"""What accounts are worth and what they risk."""
