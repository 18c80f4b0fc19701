"""Assembly: settings, application factory, middleware, error mapping, command line, local mongod."""

__version__ = "1.0.0"
SERVICE = "POS backend"
