"""What the desk knows of markets beyond their top, where an order needs it."""
