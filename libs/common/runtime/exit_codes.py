"""What a process and whoever starts it agree on: exit codes, and the variables that tell it who it is.

Flows in: nothing. Flows out: names. Never imports a library: a supervisor needs these, and nothing of what runs.
"""

EXIT_CRASHED = 70
"""EX_SOFTWARE of sysexits.h: an outcome is unknown; start it again, it recovers."""
EXIT_CANNOT_RECOVER = 71
"""A person must look: the log, the snapshots and the state do not tell one story."""
EXIT_FENCED = 72
"""A newer process owns the partition."""
EXIT_SETTINGS = 78
"""EX_CONFIG of sysexits.h: the settings were refused."""
CONFIG_VARIABLE = "CONFIG_PATH"
REDIS_VARIABLE = "REDIS_URL"
ANALYTICS_VARIABLE = "FILLSTREAM_ANALYTICS_URL"
"""Where analytics answers, for whoever asks it."""
PARTITION_VARIABLE = "FILLSTREAM_PARTITION"
VENUE_VARIABLE = "FILLSTREAM_VENUE"
RESTARTS_VARIABLE = "FILLSTREAM_RESTARTS"
"""How often its supervisor has started it again."""
