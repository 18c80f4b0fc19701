"""The checks of settings and machine."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from app.config.addresses import LOOPBACK
from app.config.settings import Settings
from app.config.sign_in_mode import described, problems_of
from app.diagnostics import machine
from app.diagnostics.findings import Check, Finding, Get, Verdict, ok, run, warning, wrong
from app.diagnostics.machine import DataFolder
from app.server.open_files import RESERVED, most_connections
from services.messaging.provider_settings import CLOUD, CONSOLE

_MINIMUM_PYTHON: Final = (3, 11)
_MINIMUM_MONGODB: Final = 6
_LEAST_DISK: Final = 2 * 10**9
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def check_settings(settings: Settings, problems: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about the settings; `problems` are the invalid ones, with the reason."""
    problems = {**problems_of(settings), **problems}
    for name, sentence in problems.items():
        yield Finding("settings", *wrong(f"{name}: {sentence}", f"Set {name} rightly, or unset it for the default."))
    if not problems:
        yield Finding("settings", *ok("Each has a right value."))
    for check, judge in _OF_SETTINGS.items():
        yield Finding(check, *judge(settings))


def _judge_address(settings: Settings) -> Verdict:
    url = settings.public_base_url
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    if parts.hostname in LOOPBACK and port != settings.port:
        return wrong(
            f"It is {url}, but the service listens on port {settings.port}.",
            f"Set PUBLIC_BASE_URL to the address that people use, or PORT to {port}.",
        )
    if parts.hostname in LOOPBACK and settings.host not in LOOPBACK:
        return warning(
            f"It is {url}, which only this machine reaches, while HOST is {settings.host}.",
            "Set it to the address that phones and screens use, as http://192.168.1.20:8000.",
        )
    if parts.hostname not in LOOPBACK and parts.scheme == "http":
        return warning(
            f"{url} is not encrypted: names, phones and prices can be read on the way.",
            "Outside the shop's own network, put a proxy with a certificate in front, and set an https address.",
        )
    return ok(url)


def _judge_origins(settings: Settings) -> Verdict:
    remedy = "Name the origins of your own pages, separated by commas."
    if settings.is_for_any_page:
        finding = warning if settings.is_insecure else wrong
        return finding("Sign-in is off, so web pages of any origin can read data, sell and add devices.", remedy)
    if "*" in settings.cors_origins:
        return warning("Web pages of any origin may do what their visitor's credential may.", remedy)
    return ok(", ".join(settings.cors_origins) or "None but the service's own.")


def _judge_sign_in(settings: Settings) -> Verdict:
    message = f"The service is {described(settings)}."
    if settings.is_insecure and not settings.is_local:
        return warning(message, "Unset SIGN_IN and ALLOW_INSECURE, and set SECRET_KEY.")
    return ok(message)


def _judge_proxies(settings: Settings) -> Verdict:
    if settings.public_base_url.startswith("https:") and not settings.trusted_proxies:
        return warning(
            "The service speaks no TLS itself, so a proxy is in front of it, but none is trusted: all clients have one "
            "address in limits and in the audit log.",
            "Set it to the number of proxies, 1 on Heroku and Render.",
        )
    if settings.trusted_proxies and settings.is_local:
        return warning(
            "Proxies are trusted, but PUBLIC_BASE_URL is loopback: without a proxy, any client can claim any address.",
            "Unset TRUSTED_PROXIES, or set PUBLIC_BASE_URL to the address that people use.",
        )
    return ok(str(settings.trusted_proxies))


def _judge_messages(settings: Settings) -> Verdict:
    whatsapp = settings.whatsapp
    if whatsapp.provider == CONSOLE:
        return ok("None go out: WHATSAPP_PROVIDER is console.")
    if settings.public_host in LOOPBACK:
        return warning(
            "Documents are sent as links, and PUBLIC_BASE_URL is an address that phones cannot reach.",
            "Set it to the address by which the service is reached from outside.",
        )
    if whatsapp.provider == CLOUD and whatsapp.app_secret is None:
        return warning(
            "The service does not learn whether messages arrive.",
            "Set WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN, and the webhook: see docs/messages.md.",
        )
    return ok(f"They go out through {whatsapp.provider}.")


_OF_SETTINGS: Final = {
    "PUBLIC_BASE_URL": _judge_address,
    "CORS_ORIGINS": _judge_origins,
    "sign-in": _judge_sign_in,
    "TRUSTED_PROXIES": _judge_proxies,
    "messages": _judge_messages,
}


def check_machine(settings: Settings, get: Get[Any]) -> Iterator[Finding]:
    zone = settings.timezone.key
    unknown_zone = wrong(f"{zone} is not known here.", "pip install tzdata")
    yield from run(
        (
            Check("Python", machine.python_version, _judge_python),
            Check("libraries", machine.differing_libraries, _judge_libraries, _NO_PINS),
            Check("time zones", machine.zone_source, lambda source: ok(f"{zone}, from {source}."), unknown_zone),
            Check("port", machine.port_state, lambda state: _judge_port(settings, state)),
            Check("open files", machine.open_files, lambda files: _judge_files(settings.max_connections, files)),
        ),
        get,
    )
    if settings.mongodb_url is None:
        yield from run(_OF_LOCAL_DATABASE, get)


_NO_PINS: Final = warning("There is no requirements.txt to compare with.", "Run this where the service lies.")


def _judge_python(version: tuple[int, ...]) -> Verdict:
    shown = ".".join(map(str, version))
    return ok(shown) if version >= _MINIMUM_PYTHON else wrong(f"{shown} is too old.", "Install Python 3.11 or newer.")


def _judge_libraries(differing: Mapping[str, tuple[str, str | None]]) -> Verdict:
    if not differing:
        return ok("Those of requirements.txt.")
    shown = [f"{name} {installed or 'missing'} (not {pinned})" for name, (pinned, installed) in differing.items()]
    finding = wrong if any(installed is None for _, installed in differing.values()) else warning
    return finding(f"They differ from requirements.txt: {', '.join(shown)}.", "pip install -r requirements.txt")


def _judge_port(settings: Settings, state: str) -> Verdict:
    where = f"{settings.host}, port {settings.port}"
    verdicts = {
        "free": ok(f"{where} is free."),
        "ours": ok(f"The service listens on {where}."),
        "taken": wrong(
            f"Another program listens on {where}.", "Stop it (`ss -ltnp` names it), or choose another PORT."
        ),
        "not allowed": wrong(f"{where} is not for ordinary users.", "Choose a PORT from 1024 on."),
    }
    return verdicts.get(state) or wrong(
        f"The service cannot listen on {where}: {state}.", "Choose a HOST of this machine, and a PORT."
    )


def _judge_files(connections: int, files: tuple[int, int]) -> Verdict:
    present, attainable = files
    needed, room = connections + RESERVED, most_connections(attainable)
    raised = f", which the service raises from {present:,}" if attainable > present else ""
    message = f"{attainable:,} are allowed{raised}"
    if attainable >= needed:
        return ok(f"{message}.")
    return warning(
        f"{message}: room for {room:,} connections, but MAX_CONNECTIONS is {connections:,}.",
        f"Raise the hard limit (`ulimit -Hn {needed}`, LimitNOFILE= of systemd), or set MAX_CONNECTIONS to {room}.",
    )


def _judge_mongod(mongod: tuple[Path | str, str | None]) -> Verdict:
    path, version = mongod
    if isinstance(path, str):
        return wrong(path, "Set MONGODB_URL, or install one.")
    if version is None:
        remedy = "Run it with --version: a library may be missing, often libcurl4."
        return wrong(f"{path} does not say its version.", remedy)
    if int(version.split(".")[0]) < _MINIMUM_MONGODB:
        return wrong(f"{path} is {version}.", "6.0 or newer is needed.")
    return ok(f"{version}, {path}")


def _judge_folder(folder: DataFolder) -> Verdict:
    path = folder.path
    if not folder.is_writable:
        return wrong(f"{path} cannot be written to.", f"sudo chown $USER {path}, or choose another DATA_DIR.")
    if folder.mode is None:
        return ok(f"{path} does not exist yet; `pos serve` makes it.")
    if folder.mode & 0o077:
        return warning(f"Others may read {path} (mode {folder.mode:o}).", f"chmod 700 {path}")
    if folder.is_held and folder.running_url is None:
        return wrong(
            f"{path} is in use by a process, but no database answers there.",
            "Wait a moment; if this remains, stop the `pos serve` or mongod that uses it.",
        )
    return ok(f"{path}, {'in use by a server' if folder.is_held else 'not in use'}")


def judge_disk(free: int) -> Verdict:
    """Return the verdict on free disk space, in bytes."""
    shown = f"{free / 10**9:,.1f} GB free"
    if free < _LEAST_DISK:
        return wrong(f"Only {shown}: a full disk stops every sale.", "Make room, or move the data.")
    return ok(shown)


_OF_LOCAL_DATABASE: Final = (
    Check("local mongod", machine.local_mongod, _judge_mongod),
    Check("data folder", machine.data_folder, _judge_folder),
    Check("disk of the data folder", machine.data_folder, lambda folder: judge_disk(folder.disk_free)),
)
