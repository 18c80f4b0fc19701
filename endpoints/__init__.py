"""HTTP and WebSocket handlers, one file per resource, and one route table."""
