"""Slow or external work: PDF rendering in separate processes, message providers."""
