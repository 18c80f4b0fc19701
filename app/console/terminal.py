"""The terminal of the operator."""

from rich.console import Console

#: Sentences go to the standard error, so that what a command prints can be piped.
console = Console(stderr=True, highlight=False)
# Where no terminal says how wide it is, a command in a sentence stays in one piece.
console.soft_wrap = not console.is_terminal
