"""The stages, one package each; none imports another."""
