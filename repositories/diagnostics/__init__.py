"""Health checks, and the facts that `pos doctor` evaluates."""
