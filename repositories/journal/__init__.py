"""Every write: group commit, event log, hash chain, idempotency."""
