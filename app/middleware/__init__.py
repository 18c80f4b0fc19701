"""What surrounds each request."""
