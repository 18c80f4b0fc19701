"""Settings: reading and validation."""
