"""The sign-in mode: which settings are safe, and what the service reports about them."""

import logging
import sys

import pytest

from app.config.settings import Settings, WrongSettings
from app.config.sign_in_mode import described, problems_of, refuse_unsafe, warn_of
from tests.server.test_startup import POS, run, running
from tests.support.ports import free_port

SECRET = "4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d"
DATABASE = "mongodb+srv://db.example/"
EVERYWHERE = "0.0.0.0"  # noqa: S104
PUBLIC = "https://shop.example"


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({}, True),
        ({"host": "localhost", "public_base_url": "http://[::1]:8000"}, True),
        ({"host": EVERYWHERE}, False),
        ({"public_base_url": PUBLIC}, False),
        ({"sign_in": "on"}, False),
        ({"sign_in": "off", "public_base_url": PUBLIC}, True),
    ],
)
def test_a_service_that_others_reach_requires_sign_in(settings: dict[str, str], is_open: bool) -> None:
    assert Settings(**settings).is_open is is_open  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"mongodb_url": None}, set()),
        ({}, set()),
        ({"sign_in": "off"}, set()),
        ({"sign_in": "off", "host": EVERYWHERE}, {"SIGN_IN"}),
        ({"sign_in": "off", "public_base_url": PUBLIC}, {"SIGN_IN"}),
        ({"sign_in": "off", "public_base_url": PUBLIC, "allow_insecure": True}, set()),
        ({"cors_origins": ("*",)}, {"CORS_ORIGINS"}),
        ({"cors_origins": (PUBLIC, "*"), "sign_in": "off"}, {"CORS_ORIGINS"}),
        ({"cors_origins": ("*",), "allow_insecure": True}, {"CORS_ORIGINS"}),
        ({"cors_origins": ("*",), "sign_in": "off", "allow_insecure": True}, set()),
        ({"cors_origins": ("*",), "sign_in": "on", "secret_key": SECRET}, set()),
        ({"cors_origins": (PUBLIC,)}, set()),
        ({"host": EVERYWHERE}, {"SECRET_KEY"}),
        ({"host": EVERYWHERE, "allow_insecure": True}, {"SECRET_KEY"}),
        ({"sign_in": "on"}, {"SECRET_KEY"}),
        ({"host": EVERYWHERE, "secret_key": SECRET}, set()),
        ({"host": EVERYWHERE, "secret_key": SECRET, "mongodb_url": None}, {"MONGODB_URL"}),
        ({"public_base_url": PUBLIC, "secret_key": SECRET, "mongodb_url": None}, {"MONGODB_URL"}),
        ({"host": EVERYWHERE, "secret_key": SECRET, "mongodb_url": None, "allow_local_mongod": True}, set()),
        ({"host": EVERYWHERE, "sign_in": "off", "mongodb_url": None}, {"SIGN_IN", "MONGODB_URL"}),
    ],
)
def test_unsafe_settings_are_rejected_by_name(settings: dict[str, object], problems: set[str]) -> None:
    chosen = Settings(**{"mongodb_url": DATABASE, **settings})  # type: ignore[arg-type]
    assert set(problems_of(chosen)) == problems
    if problems:
        with pytest.raises(WrongSettings, match=" ".join(problems) if len(problems) == 1 else "settings are wrong"):
            refuse_unsafe(chosen)
    else:
        refuse_unsafe(chosen)


def test_an_insecure_mode_is_logged_as_critical(caplog: pytest.LogCaptureFixture) -> None:
    warn_of(Settings())
    warn_of(Settings(sign_in="off", allow_insecure=True))
    assert caplog.records == []
    insecure = Settings(sign_in="off", allow_insecure=True, host=EVERYWHERE)
    warn_of(insecure)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL, logging.WARNING]
    assert "ALLOW_INSECURE" in described(insecure)
    assert f"every client of {EVERYWHERE}, port 8000, is the owner" in caplog.text
    warn_of(Settings(sign_in="off", allow_insecure=True, public_base_url=PUBLIC))
    assert f"every client of {PUBLIC} is the owner" in caplog.text


def test_a_warning_is_logged_if_clients_cannot_name_the_service(caplog: pytest.LogCaptureFixture) -> None:
    shared = {"sign_in": "on", "secret_key": SECRET, "host": EVERYWHERE}
    warn_of(Settings(**shared, public_base_url=PUBLIC))  # type: ignore[arg-type]
    warn_of(Settings(**shared, allowed_hosts=("192.168.1.20",)))  # type: ignore[arg-type]
    assert caplog.records == []
    warn_of(Settings(**shared))  # type: ignore[arg-type]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "get a 400 wrong_host. Set PUBLIC_BASE_URL" in caplog.text


def test_open_cors_without_sign_in_is_logged_as_critical(caplog: pytest.LogCaptureFixture) -> None:
    warn_of(Settings(sign_in="on", secret_key=SECRET, cors_origins=("*",)))
    assert caplog.records == []
    insecure = Settings(sign_in="off", allow_insecure=True, cors_origins=("*",))
    warn_of(insecure)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    assert "every web page" in caplog.text
    assert "EVERY WEB PAGE" in described(insecure)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SIGN_IN": "on"}, "SECRET_KEY: must be set"),
        ({"PUBLIC_BASE_URL": PUBLIC}, "SECRET_KEY: must be set"),
        ({"RENDER_EXTERNAL_URL": PUBLIC}, "SECRET_KEY: must be set"),
        ({"PUBLIC_BASE_URL": PUBLIC, "SIGN_IN": "off"}, "SIGN_IN: is off"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: is *, and sign-in is off"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY: must have 32"),
        ({"SECRET_KEY": "0" * 64}, "SECRET_KEY: can be guessed"),
    ],
)
def test_uvicorn_does_not_start_with_unsafe_settings(mongodb_url: str, changes: dict[str, str], sentence: str) -> None:
    command = (sys.executable, "-m", "uvicorn", "asgi:app", "--port", str(free_port()))
    refused = run(*command, MONGODB_URL=mongodb_url, DATABASE_NAME="pos_modes", **changes)
    assert refused.returncode != 0
    assert sentence in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


def test_serve_prints_its_mode_and_passes_its_address_to_the_workers(mongodb_url: str) -> None:
    for changes, mode in (
        ({}, "open: only this machine"),
        ({"HOST": EVERYWHERE, "SECRET_KEY": SECRET}, "signed in"),
        ({"HOST": EVERYWHERE, "SIGN_IN": "off", "ALLOW_INSECURE": "1"}, "OFF, AND OTHER MACHINES REACH IT"),
    ):
        port = free_port()
        host = changes.pop("HOST", "127.0.0.1")
        command = (*POS, "serve", "--host", host, "--port", str(port))
        names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_modes", "STORE_ID": f"s{port}", **changes}
        with running(*command, port=port, **names) as server:
            server.terminate()
            output, _ = server.communicate(timeout=20)
        assert mode in output
        assert ("no owner yet" in output) is ("SECRET_KEY" in changes)
        assert ("SIGN-IN IS OFF" in output) is ("ALLOW_INSECURE" in changes)
        assert ("400 wrong_host" in output) is (host == EVERYWHERE)
        assert SECRET not in output
