"""The desk in one process: a strategy over market data, by the very stages that run live, over a log in memory."""
