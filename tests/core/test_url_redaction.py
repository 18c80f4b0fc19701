"""No message about an address shows a part of its credentials, for any wrong encoding, and none is a traceback."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from marshmallow import ValidationError
from pymongo.uri_parser import parse_uri

from app.config import validators as values
from app.config.settings import InvalidSettings, Settings, WrongSettings, read_settings
from app.console.event_listener import Listener, ListeningRefused, socket_url
from app.diagnostics.machine_checks import check_settings
from app.observability.error_reports import ErrorReports
from repositories.database.client import connect
from repositories.database.errors import DatabaseRefused
from repositories.diagnostics.inspection import Unreachable, inspecting
from repositories.legacy.source import open_source
from schemas.text.safe_addresses import redact_driver_text, safe_address
from tests.server.test_startup import environment
from tests.support.forked_pos import ForkedPos
from tests.support.ports import free_port
from tests.support.shop import DATABASE

HEAD, TAIL = "zqxhead", "zqxtail"
#: The text between two halves of a password that is not encoded.
BETWEEN = (
    "@",
    "/",
    "?",
    "#",
    ":",
    "%",
    "[",
    "]",
    "//",
    "@/",
    "@x/",
    "@db:1/",
    ":1/",
    ":1?",
    "/?a=b&",
    " ",
    "\\",
    "₹",
    ",",
)
SHAPES = (
    "mongodb://shop:{secret}@localhost/shop",
    "mongodb+srv://shop:{secret}@localhost/?w=majority",
    "mongodb://{secret}@localhost",
    "mongodb://{secret}:x@localhost:1,localhost:2/",
    "mongodb://shop:12345/{secret}@localhost/shop",
    "mongodb://shop:{secret}",
    "mongodb://shop:{secret}/shop",
    "MONGODB://shop:{secret}@localhost/",
    "shop:{secret}@localhost/shop",
    "https://shop:{secret}@localhost/1",
    "//shop:{secret}@localhost/",
)


def shown(text: str) -> bool:
    """Return whether a text has a part of the password, in any case."""
    return any(half in text.casefold() for half in (HEAD, TAIL))


def is_read_as_a_host(shape: str, between: str) -> bool:
    """Return whether the text after the last `@` is certainly the host, since the URL has no other `@`."""
    return "@" in between and "@" not in shape


def output_of(url: str) -> Iterator[str]:
    """Yield all output of settings, doctor, connection and import about a URL, without connecting to it."""
    settings = Settings(mongodb_url=url, sentry_dsn=url, otlp_endpoint=url)
    yield str(settings.masked())
    for check in (values.is_mongodb_url, values.is_dsn, values.is_base_url, values.are_origins, values.are_hosts):
        try:
            check(url)
        except ValidationError as error:
            yield str(error)
            yield str(list(check_settings(Settings(), {"X": " ".join(error.messages)})))
    for errors in (lambda: connect(url), lambda: open_source(url, None).__enter__(), lambda: socket_url(url)):  # type: ignore[arg-type]
        try:
            errors()
        except (DatabaseRefused, ListeningRefused) as error:
            yield f"{error} {error.__cause__} {'' if error.__suppress_context__ else error.__context__}"


@contextmanager
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Create clients and read their options, without starting them."""
    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as warned:
        patched.setattr("repositories.database.client.AsyncIOMotorClient", _client)
        patched.setattr("repositories.legacy.source.MongoClient", _client)
        yield warned


def _client(url: str, **_: Any) -> Any:
    if url.startswith("mongodb://"):
        parse_uri(url, warn=True)
    raise ValueError("made")


@pytest.mark.parametrize(
    ("shape", "between"), [each for each in product(SHAPES, BETWEEN) if not is_read_as_a_host(*each)]
)
def test_no_part_of_an_unencoded_password_is_shown(shape: str, between: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = shape.format(secret=f"{HEAD}{between}{TAIL}")
    with no_network(monkeypatch) as warned:
        outputs = list(output_of(url))
    assert outputs
    assert [sentence for sentence in (*outputs, *map(str, warned)) if shown(sentence)] == []


@given(
    shape=st.sampled_from(SHAPES),
    between=st.text(st.sampled_from("@/?#:%[]&=,. \\\"'\n\t+0123456789abc₹é\u2100\u3002"), max_size=8),
)
def test_no_part_of_any_password_is_shown(shape: str, between: str) -> None:
    url = shape.format(secret=f"{HEAD}{between}{TAIL}")
    assume(not is_read_as_a_host(shape, between))
    with pytest.MonkeyPatch.context() as monkeypatch, no_network(monkeypatch) as warned:
        assert [sentence for sentence in (*output_of(url), *map(str, warned)) if shown(sentence)] == []


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("mongodb://shop:a%40b@one:27017,two:27018/shop?w=1", "mongodb://two:27018/shop"),
        ("mongodb+srv://shop:s3cret@db.example/?w=majority", "mongodb+srv://db.example"),
        ("mongodb://shop:s3cret@[::1]:27017/", "mongodb://[::1]:27017"),
        ("mongodb://%2Ftmp%2Fa.sock/?directConnection=true", "mongodb://%2Ftmp%2Fa.sock"),
        ("mongodb://s:s3cret@h/?tlsCertificateKeyFilePassword=s3cret", "mongodb://h"),
        ("https://key:s3cret@sentry.example:9000/1", "https://sentry.example:9000"),
        ("https://collector.example/v1/s3cret", "https://collector.example"),
        ("mongodb://shop:a@b/c@host/", "(an address that is not shown)"),
    ],
)
def test_an_address_is_shown_by_its_scheme_its_last_host_and_its_database(url: str, safe: str) -> None:
    assert safe_address(url) == safe


def test_a_password_in_a_driver_message_is_not_shown() -> None:
    url = "mongodb://shop:a%2Bbcd@host/"
    assert "bcd" not in redact_driver_text("wrong password a+bcd", url) + redact_driver_text(
        "wrong password a%2Bbcd", url
    )
    assert redact_driver_text("host:27017: Connection refused", url) == "host:27017: Connection refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"MONGODB_URL": "mongodb://shop:Zqxhead@zqxtail/more@host/"},
        {"MONGODB_URL": "mongodb://shop:zqxhead[zqxtail@{host}/"},
        {"MONGODB_URL": "mongodb://shop:%7Aqxhead@127.0.0.1:{port}/?tlsCAFile=/zq/none&tls=true"},
        {"MONGODB_URL": "mongodb://shop:zqxhead@{host}/", "SENTRY_DSN": "https://zqxhead[zqxtail@host/1"},
        {"SENTRY_DSN": "https://zqxhead@host/zqxtail"},
        {"PUBLIC_BASE_URL": "https://shop:zqxhead@host/"},
        {"CORS_ORIGINS": "https://shop:zqxhead@host"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://shop:zqxhead[zqxtail@host"},
        {"SECRET_KEY": "zqxhead"},
        {"SETUP_TOKEN": "zqxhead"},
        {"WHATSAPP_PROVIDER": "cloud", "WHATSAPP_TOKEN": "zqxhead zqxtail", "WHATSAPP_PHONE_NUMBER_ID": "zqxtail"},
    ],
)
def test_a_wrong_secret_is_refused_by_the_name_of_its_setting(
    changes: dict[str, str], mongodb_url: str, forked_pos: ForkedPos
) -> None:
    places = {"{port}": str(free_port()), "{host}": urlsplit(mongodb_url).netloc}
    given_ = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": DATABASE} | changes
    for place, known in places.items():
        given_ = {name: value.replace(place, known) for name, value in given_.items()}
    for command in ("doctor", "verify"):
        refused = forked_pos.run(command, environment=environment(**given_))
        output = refused.stdout + refused.stderr
        assert refused.returncode == 1
        assert "Traceback" not in output
        assert any(name in output for name in changes) or "database: " in output
        assert not shown(output), output


@pytest.mark.parametrize(
    "option", ["zqxhead=1", "readPreference=zqxhead", "compressors=zqxhead", "maxPoolSize=1&zqxhead=zqxtail"]
)
def test_an_option_that_the_driver_does_not_know_is_not_quoted(
    option: str, mongodb_url: str, forked_pos: ForkedPos
) -> None:
    url = f"{mongodb_url}{'&' if urlsplit(mongodb_url).query else '?'}{option}"
    for command in ("verify", "doctor"):
        process = forked_pos.run(command, environment=environment(MONGODB_URL=url, DATABASE_NAME=DATABASE))
        output = process.stdout + process.stderr
        assert "MONGODB_URL: the driver does not know an option in it" in output
        assert not shown(output), output


def test_the_error_of_an_unencoded_password_asks_for_percent_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URL", "mongodb://shop:Zq9x@TailSecret/more@host/")
    with pytest.raises(WrongSettings, match=r"MONGODB_URL: .*percent-encoded, as %40 for @"):
        read_settings()


def test_an_unreachable_import_source_is_shown_without_its_password() -> None:
    url = f"mongodb://shop:zqxhead@127.0.0.1:{free_port()}/shop?serverSelectionTimeoutMS=50"
    with pytest.raises(Unreachable) as refusal, inspecting(url, "pos", "main", 90):
        pass
    assert (refusal.value.reason, shown(str(refusal.value))) == ("refused", False)


def test_an_invalid_sentry_key_is_not_shown() -> None:
    with pytest.raises(InvalidSettings, match="SENTRY_DSN") as refusal:
        ErrorReports("https://zqxhead[zqxtail@host/1")
    assert not shown(f"{refusal.value} {refusal.value.__cause__}")
    assert replace(Settings(), sentry_dsn="https://zqxhead@host/1").masked()["sentry_dsn"] == "https://host"


@pytest.mark.parametrize(
    "url", ["http://till:zqxhead/zqxtail@host", "http://till:zqxhead\u2100@host", "http://a:zqxhead"]
)
def test_an_address_to_listen_at_is_refused_without_its_key(url: str) -> None:
    with pytest.raises(ListeningRefused, match="not an address of a service") as refusal:
        socket_url(url)
    assert not shown(f"{refusal.value} {refusal.value.__cause__}")


async def test_an_unreachable_address_is_shown_without_its_key() -> None:
    notes: list[str] = []

    async def stop(_: float) -> None:
        raise TimeoutError

    listener = Listener(f"ws://till:zqxhead@127.0.0.1:{free_port()}/ws", tell=notes.append, pause=stop)
    with pytest.raises(TimeoutError):
        await anext(listener.events())
    assert notes
    assert not shown(str(notes))
