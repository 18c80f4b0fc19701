"""Settings: read, validated."""
