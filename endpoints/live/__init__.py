"""From the event log to the clients: hub, WebSocket, event stream."""
