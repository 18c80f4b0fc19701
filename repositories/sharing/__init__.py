"""Links to single documents."""
