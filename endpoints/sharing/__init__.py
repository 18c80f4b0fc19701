"""Links to single documents, and what they show."""
