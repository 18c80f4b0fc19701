"""What the command line and the service refuse before they touch the database."""


class Refused(RuntimeError):
    """A command cannot do what it is told; the message is a sentence that says why and what to do."""
