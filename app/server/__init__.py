"""HTTP and WebSocket protocols for uvicorn, its options, and the limits of a process."""
