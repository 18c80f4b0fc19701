"""The outbox of messages, and uploads."""
