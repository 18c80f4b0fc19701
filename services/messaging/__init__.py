"""Messages, composed and sent through providers."""
