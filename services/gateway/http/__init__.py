"""What every answer has in common: who asks, what a refusal looks like, exact bodies, pages of a list."""
