"""Messages to customers, and their webhook."""
