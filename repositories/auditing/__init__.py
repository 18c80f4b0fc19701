"""The audit log, and the verification of the books."""
