"""What runs a fold: the log, the atomic commit, recovery, snapshots, trimming, the live worker."""
