"""The checks of settings and machine. Pure: facts in, findings out."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from app.config.addresses import LOOPBACK
from app.config.settings import Settings
from app.config.sign_in_mode import described, problems_of
from app.diagnostics.findings import Finding, ok, warning, wrong
from app.diagnostics.machine import MachineFacts
from app.server.open_files import RESERVED, most_connections
from services.messaging.provider_settings import CLOUD, CONSOLE

_MINIMUM_PYTHON: Final = (3, 11)
_LEAST_DISK: Final = 2 * 10**9
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def check_settings(settings: Settings, problems: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about the settings.

    :param problems: the invalid settings, with the reason.
    """
    problems = {**problems_of(settings), **problems}
    for name, sentence in problems.items():
        yield wrong("settings", f"{name}: {sentence}", f"Set {name} rightly, or unset it for the default.")
    if not problems:
        yield ok("settings", "Each has a right value.")
    yield _check_address(settings)
    yield _check_origins(settings)
    yield _check_sign_in(settings)
    yield _check_proxies(settings)
    yield _check_messages(settings)


def _check_address(settings: Settings) -> Finding:
    check, url = "PUBLIC_BASE_URL", settings.public_base_url
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    if parts.hostname in LOOPBACK and port != settings.port:
        return wrong(
            check,
            f"It is {url}, but the service listens on port {settings.port}.",
            f"Set PUBLIC_BASE_URL to the address that people use, or PORT to {port}.",
        )
    if parts.hostname in LOOPBACK and settings.host not in LOOPBACK:
        return warning(
            check,
            f"It is {url}, which only this machine reaches, while HOST is {settings.host}.",
            "Set it to the address that phones and screens use, as http://192.168.1.20:8000.",
        )
    if parts.hostname not in LOOPBACK and parts.scheme == "http":
        return warning(
            check,
            f"{url} is not encrypted: names, phones and prices can be read on the way.",
            "Outside the shop's own network, put a proxy with a certificate in front, and set an https address.",
        )
    return ok(check, url)


def _check_origins(settings: Settings) -> Finding:
    check, remedy = "CORS_ORIGINS", "Name the origins of your own pages, separated by commas."
    if settings.is_for_any_page:
        finding = warning if settings.is_insecure else wrong
        return finding(
            check, "Nobody signs in, so web pages of any origin read the shop, sell and enrol devices.", remedy
        )
    if "*" in settings.cors_origins:
        return warning(check, "Web pages of any origin may do what their visitor's credential may.", remedy)
    return ok(check, ", ".join(settings.cors_origins) or "None but the service's own.")


def _check_sign_in(settings: Settings) -> Finding:
    check, message = "sign-in", f"The service is {described(settings)}."
    if settings.is_insecure and not settings.is_local:
        return warning(check, message, "Unset SIGN_IN and ALLOW_INSECURE, and set SECRET_KEY.")
    return ok(check, message)


def _check_proxies(settings: Settings) -> Finding:
    check = "TRUSTED_PROXIES"
    if settings.public_base_url.startswith("https:") and not settings.trusted_proxies:
        return warning(
            check,
            "The service speaks no TLS itself, so a proxy stands before it, but none is trusted: all clients have one "
            "address, in limits and in the audit.",
            "Set it to the number of proxies, 1 on Heroku and Render.",
        )
    if settings.trusted_proxies and settings.is_local:
        return warning(
            check,
            "Proxies are trusted, but PUBLIC_BASE_URL is loopback: where none stands before the service, anybody can "
            "say which address they have.",
            "Unset it, or set PUBLIC_BASE_URL to the address that people use.",
        )
    return ok(check, str(settings.trusted_proxies))


def _check_messages(settings: Settings) -> Finding:
    check, whatsapp = "messages", settings.whatsapp
    if whatsapp.provider == CONSOLE:
        return ok(check, "None go out: WHATSAPP_PROVIDER is console.")
    if settings.public_host in LOOPBACK:
        return warning(
            check,
            "Documents are sent as links, and PUBLIC_BASE_URL is an address that phones cannot reach.",
            "Set it to the address by which the service is reached from outside.",
        )
    if whatsapp.provider == CLOUD and whatsapp.app_secret is None:
        return warning(
            check,
            "Nothing tells whether messages arrive.",
            "Set WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN, and the webhook: see docs/messages.md.",
        )
    return ok(check, f"They go out through {whatsapp.provider}.")


def check_machine(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    yield _check_python(facts)
    yield _check_libraries(facts)
    yield _check_zones(settings, facts)
    yield _check_port(settings, facts)
    yield _check_files(settings, facts)
    if settings.mongodb_url is None:
        yield _check_mongod(facts)
        yield from _check_folder(facts)


def _check_python(facts: MachineFacts) -> Finding:
    shown = ".".join(map(str, facts.python))
    if facts.python < _MINIMUM_PYTHON:
        return wrong("Python", f"{shown} is too old.", "Install Python 3.11 or newer.")
    return ok("Python", shown)


def _check_libraries(facts: MachineFacts) -> Finding:
    if not facts.has_pins:
        return warning("libraries", "There is no requirements.txt to compare with.", "Run this where the service lies.")
    if facts.libraries:
        differing = facts.libraries.items()
        shown = [f"{name} {installed or 'missing'} (not {pinned})" for name, (pinned, installed) in differing]
        finding = wrong if any(installed is None for _, (_, installed) in differing) else warning
        message = f"They differ from requirements.txt: {', '.join(shown)}."
        return finding("libraries", message, "pip install -r requirements.txt")
    return ok("libraries", "Those of requirements.txt.")


def _check_zones(settings: Settings, facts: MachineFacts) -> Finding:
    if not facts.zone_works:
        return wrong("time zones", f"{settings.timezone.key} is not known here.", "pip install tzdata")
    return ok("time zones", f"{settings.timezone.key}, from {facts.zones_from}.")


def _check_port(settings: Settings, facts: MachineFacts) -> Finding:
    where = f"{settings.host}, port {settings.port}"
    message = {
        "free": ok("port", f"{where} is free."),
        "ours": ok("port", f"The service listens on {where}."),
        "taken": wrong(
            "port",
            f"Another program listens on {where}.",
            "Stop it (`ss -ltnp` names it), or choose another PORT.",
        ),
        "not allowed": wrong("port", f"{where} is not for ordinary users.", "Choose a PORT from 1024 on."),
    }
    return message.get(facts.port) or wrong(
        "port",
        f"The service cannot listen on {where}: {facts.port}.",
        "Choose a HOST of this machine, and a PORT.",
    )


def _check_files(settings: Settings, facts: MachineFacts) -> Finding:
    needed = settings.max_connections + RESERVED
    raised = f", which the service raises from {facts.open_files_at_first:,}"
    message = f"{facts.open_files:,} are allowed{raised if facts.open_files > facts.open_files_at_first else ''}"
    if facts.open_files < needed:
        return warning(
            "open files",
            f"{message}: room for {most_connections(facts.open_files):,} connections, but MAX_CONNECTIONS is "
            f"{settings.max_connections:,}.",
            f"Raise the hard limit (`ulimit -Hn {needed}`, LimitNOFILE= of systemd), or set MAX_CONNECTIONS to "
            f"{most_connections(facts.open_files)}.",
        )
    return ok("open files", f"{message}.")


def _check_mongod(facts: MachineFacts) -> Finding:
    if facts.mongod is None:
        return wrong("local mongod", facts.mongod_missing, "Set MONGODB_URL, or install one.")
    if facts.mongod_version is None:
        return wrong(
            "local mongod",
            f"{facts.mongod} does not say its version.",
            "Run it with --version: a library may be missing, often libcurl4.",
        )
    if tuple(int(part) for part in facts.mongod_version.split(".")[:1]) < (6,):
        return wrong("local mongod", f"{facts.mongod} is {facts.mongod_version}.", "6.0 or newer is needed.")
    return ok("local mongod", f"{facts.mongod_version}, {facts.mongod}")


def _check_folder(facts: MachineFacts) -> Iterator[Finding]:
    check, folder = "data folder", facts.folder
    if not facts.folder_is_writable:
        yield wrong(check, f"{folder} cannot be written to.", f"sudo chown $USER {folder}, or choose another DATA_DIR.")
    elif not facts.folder_exists:
        yield ok(check, f"{folder} does not exist yet; `pos serve` makes it.")
    elif facts.folder_mode is not None and facts.folder_mode & 0o077:
        yield warning(check, f"Others may read {folder} (mode {facts.folder_mode:o}).", f"chmod 700 {folder}")
    elif facts.folder_is_held and facts.running_url is None:
        yield wrong(
            check,
            f"{folder} is held by a process, but no database answers there.",
            "Wait a moment; if it stays so, stop the `pos serve` or mongod that holds it.",
        )
    else:
        yield ok(check, f"{folder}, {'in use by a server' if facts.folder_is_held else 'not in use'}")
    yield check_disk("disk of the data folder", facts.disk_free)


def check_disk(check: str, free: int) -> Finding:
    """Return the finding about free disk space.

    :param free: bytes.
    """
    shown = f"{free / 10**9:,.1f} GB free"
    if free < _LEAST_DISK:
        return wrong(check, f"Only {shown}: a full disk stops every sale.", "Make room, or move the data.")
    return ok(check, shown)
