"""Output of the command line: messages, progress, events."""
