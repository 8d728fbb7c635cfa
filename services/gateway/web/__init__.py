"""The web desk: a page that a person keeps open, and how it is served."""
