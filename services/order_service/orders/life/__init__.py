"""The life of an order: its quantities and states, what venues owe an answer to, what is remembered of it."""
