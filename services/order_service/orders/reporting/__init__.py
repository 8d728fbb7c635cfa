"""What venues report, applied to orders: SIM's frames, and the JSON of venues outside."""
