"""What closes positions by itself: stops, targets, trailing stops, times."""
