"""The local mongod."""
