"""Live updates from the event log to the clients: hub, WebSocket, event stream."""
