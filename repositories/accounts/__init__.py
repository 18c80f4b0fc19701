"""Users, devices, credentials, sessions, sign-in and limits."""
