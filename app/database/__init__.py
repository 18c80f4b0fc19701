"""The local mongod that comes with the package."""
