"""What operators and circuit breakers decide about accounts and the desk."""
