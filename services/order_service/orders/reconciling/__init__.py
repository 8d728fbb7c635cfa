"""What venues say they have, compared with the desk; and what accounts hold, stated for others to compare."""
