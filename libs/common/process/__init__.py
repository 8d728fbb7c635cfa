"""The face of a process: its settings, its pages, its log."""
