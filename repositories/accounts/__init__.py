"""Users, devices, credentials, sessions, sign-in and rate limits."""
