"""The command line: every command, and the earlier names of commands."""

import pytest
from typer.testing import CliRunner

from app.cli import ALIASES, MODULES, cli


@pytest.mark.parametrize("name", [*MODULES, *ALIASES])
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert (result.exit_code, "Usage: " in result.stdout) == (0, True), result.stdout


def test_an_earlier_name_is_not_listed() -> None:
    result = CliRunner().invoke(cli, ["--help"]).stdout
    assert [name for name in MODULES if f" {name} " not in result] == []
    assert [name for name in ALIASES if f" {name} " in result] == []
