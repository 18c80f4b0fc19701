"""The outbox of messages, and uploaded PDFs."""
