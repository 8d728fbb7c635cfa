"""What `make bench` measures, each figure beside its floor or its rival in the same run."""
