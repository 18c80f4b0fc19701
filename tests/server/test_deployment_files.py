"""Deployment files: all platforms run the same command, and the command of the image serves."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.server.uvicorn_options import FLAGS
from tests.config.test_settings import NAMES
from tests.server.test_startup import ROOT, environment, running
from tests.support.ports import free_port

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Return the instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    return [
        (word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word and word[0] != "#"
    ]


def argument_of(name: str) -> str:
    (rest,) = [rest for word, rest in instructions() if word == name]
    return rest


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def blueprint() -> Any:
    (service,) = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]
    return service


def image_command() -> str:
    shell, option, command = json.loads(argument_of("CMD"))
    assert (shell, option) == ("sh", "-c")
    assert command.startswith("exec ")
    return str(command.removeprefix("exec "))


@pytest.mark.parametrize("file", ["Procfile", "render.yaml", "Dockerfile"])
def test_every_platform_uses_the_flags_of_pos_serve(file: str) -> None:
    command = {
        "Procfile": procfile()["web"],
        "render.yaml": blueprint()["startCommand"],
        "Dockerfile": image_command(),
    }[file]
    arguments = shlex.split(command)
    assert arguments[:2] == ["uvicorn", "asgi:app"]
    given = {word: arguments[place + 1 : place + 2] for place, word in enumerate(arguments)}
    for name, value in FLAGS.items():
        flag = name.replace("_", "-")
        if f"--no-{flag}" in given:
            assert value is False
        else:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            assert given[f"--{flag}"] == [shown.lower() if isinstance(value, bool) else shown], flag
    # Otherwise uvicorn takes these from variables that platforms set.
    assert "--no-proxy-headers" in given
    assert "--forwarded-allow-ips" not in given
    assert given["--workers"] == ["${WEB_CONCURRENCY:-1}"]
    assert (given["--host"], given["--port"]) == (["0.0.0.0"], ["${PORT:-8000}"])  # noqa: S104  (of a container)
    assert command == procfile()["web"]


def test_both_platforms_prepare_the_database_before_a_release() -> None:
    assert procfile()["release"] == blueprint()["preDeployCommand"] == "python -m app migrate"
    assert blueprint()["healthCheckPath"] == "/readyz"
    assert blueprint()["maxShutdownDelaySeconds"] > FLAGS["timeout_graceful_shutdown"]


def test_only_settings_that_exist_are_set() -> None:
    manifest = json.loads((ROOT / "app.json").read_text())
    configured = {each["key"] for each in blueprint()["envVars"]}
    needed = {"MONGODB_URL", "SECRET_KEY", "TRUSTED_PROXIES"}
    # Render sets the address of the service itself.
    assert needed <= configured <= set(NAMES)
    assert {"PUBLIC_BASE_URL", *needed} <= set(manifest["env"]) <= set(NAMES)
    assert manifest["buildpacks"] == [{"url": "heroku/python"}]
    # Secrets have no value in the file.
    assert "value" not in manifest["env"]["MONGODB_URL"]
    assert manifest["env"]["SECRET_KEY"]["generator"] == "secret"
    variables = {each["key"]: each for each in blueprint()["envVars"]}
    assert variables["MONGODB_URL"]["sync"] is False
    assert variables["SECRET_KEY"]["generateValue"] is True
    # The platform's router is the only proxy.
    assert manifest["env"]["TRUSTED_PROXIES"]["value"] == variables["TRUSTED_PROXIES"]["value"] == "1"


def test_the_buildpack_finds_one_list_of_packages_and_the_version() -> None:
    assert [
        name for name in ("requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock") if (ROOT / name).exists()
    ] == ["requirements.txt"]
    assert (ROOT / ".python-version").read_text().strip() == "3.11"


def test_the_image_is_pinned_and_runs_without_root() -> None:
    stages = [rest.split() for word, rest in instructions() if word == "FROM"]
    assert len(stages) == 2
    for image, *_ in stages:
        assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", image)
    reversed_words = [word for word, _ in instructions()][::-1]
    last_stage = reversed_words[: reversed_words.index("FROM")]
    assert "RUN" not in last_stage
    user, _, group = argument_of("USER").partition(":")
    assert int(user) > 0 < int(group)
    assert argument_of("STOPSIGNAL") == "SIGTERM"


def copy_image_files(folder: Path) -> None:
    """Copy the files of the image's last stage to a folder."""
    for word, rest in instructions():
        if word != "COPY" or "--from" in rest or "requirements.txt" in rest:
            continue
        source, target = rest.split()
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)


def test_the_docker_context_has_exactly_the_copied_files() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[0] == "*"
    sources = {rest.split()[-2] for word, rest in instructions() if word == "COPY" and "--from" not in rest}
    assert allowed == sources


def test_the_command_of_the_image_serves_and_stops_cleanly(mongodb_url: str, tmp_path: Path) -> None:
    copy_image_files(tmp_path)
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {
        "MONGODB_URL": mongodb_url,
        "DATABASE_NAME": "pos_image",
        "PORT": str(port),
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    health = json.loads(argument_of("HEALTHCHECK").partition(" CMD ")[2])
    assert subprocess.run(health, env=environment(**names), capture_output=True, check=False).returncode != 0
    # The current folder comes first, so the copied application runs.
    with running(*json.loads(argument_of("CMD")), port=port, folder=str(tmp_path), **names) as server:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert subprocess.run(health, env=environment(**names), capture_output=True, check=False).returncode == 0
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=25)
    # After its shutdown, uvicorn ends by the signal that it received.
    assert server.returncode in (0, -signal.SIGTERM), output
    assert "Finished server process" in output
    assert all(line.startswith("{") for line in output.splitlines()), output
    assert {path.name for path in tmp_path.iterdir()} == {
        "asgi.py",
        "app",
        "endpoints",
        "services",
        "repositories",
        "schemas",
    }
