"""A desk's log, snapshots, database and configuration in a folder, of one moment; and a desk made from it, proved."""
