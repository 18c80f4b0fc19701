"""The event log: appended by each commit, chained by hashes, with limited retention."""
