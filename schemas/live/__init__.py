"""The WebSocket protocol, and its AsyncAPI description."""
