"""Every event in DuckDB, and the read-only query API."""
