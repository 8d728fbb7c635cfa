"""The orders stage: validation, the life of every order, the journal."""
