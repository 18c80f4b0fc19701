"""Construction of the parts of the application: stores, accounts, messaging."""
