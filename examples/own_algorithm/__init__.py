"""An execution algorithm of one's own: `execution.algorithms: [examples.own_algorithm.better_than_vwap]` loads it."""
