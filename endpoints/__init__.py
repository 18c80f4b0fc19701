"""HTTP and WebSocket: one resource a file, one route table. A handler loads, does, notifies, answers."""
