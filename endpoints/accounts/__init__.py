"""Sign-in, users, devices, permissions, and the guard of each request."""
