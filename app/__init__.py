"""The application: settings, factory, middleware, error mapping, command line, local mongod."""

__version__ = "1.0.0"
SERVICE = "POS backend"
