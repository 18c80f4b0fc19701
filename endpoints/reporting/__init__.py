"""Reports and the board."""
