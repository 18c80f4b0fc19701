"""Reports, and the board."""
