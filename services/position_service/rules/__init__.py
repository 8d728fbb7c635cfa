"""Rules of the desk, in the fold: what happens, what holds, and what is done."""
