"""Orders that the desk holds before a venue knows them: for a time, a price, a person."""
