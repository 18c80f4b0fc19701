"""Messages to customers: requests, composition, states, delivery."""
