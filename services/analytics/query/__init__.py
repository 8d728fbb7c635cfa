"""Questions to the database: views, what SQL may run, answers as JSON."""
