"""The audit log, and the verification of documents against it."""
