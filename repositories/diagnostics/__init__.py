"""Health, and the facts that the doctor judges."""
