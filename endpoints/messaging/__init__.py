"""Messages to customers, and the webhook for their status updates."""
