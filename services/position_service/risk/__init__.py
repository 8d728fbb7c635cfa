"""What a portfolio risks, and the limits on that."""
