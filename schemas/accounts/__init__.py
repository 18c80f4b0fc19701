"""Users, devices, passwords and the first owner."""
