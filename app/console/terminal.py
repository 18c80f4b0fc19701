"""The terminal of the operator."""

from rich.console import Console

#: Messages go to the standard error, so that the output of a command can be piped.
console = Console(stderr=True, highlight=False)
# Without a terminal, lines are not wrapped, so that a command in a message stays in one piece.
console.soft_wrap = not console.is_terminal
