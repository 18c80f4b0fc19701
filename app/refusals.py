"""The base class of expected errors of the command line and the start."""


class Refused(RuntimeError):
    """A command cannot be executed; the message says why and what to do."""
