"""Sign-in, users, devices, permissions, the guard of each request."""
