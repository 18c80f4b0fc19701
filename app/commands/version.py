"""`pos version`: print the version."""

import typer

from app import SERVICE, __version__


def version() -> None:
    """Print the version."""
    typer.echo(f"{SERVICE} {__version__}")
