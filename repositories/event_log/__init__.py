"""The log of events: appended by each commit, chained by hashes, kept for a while."""
