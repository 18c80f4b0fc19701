"""Recording clients, and the consistency checker that compares their records with the database."""
