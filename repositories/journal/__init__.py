"""All writes: commands, group commit, idempotency."""
