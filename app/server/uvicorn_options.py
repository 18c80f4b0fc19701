"""The options of uvicorn, with the reasons for those that are not its defaults."""

from pathlib import Path
from typing import Any, Final

from app.config.settings import Settings

FLAGS: Final[dict[str, Any]] = {
    "http": "app.server.http_protocol:JsonHttpProtocol",
    "ws": "app.server.websocket_protocol:SocketProtocol",
    "ws_max_size": 65_536,
    # Routers cut connections that are idle for 55 s.
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    # Frames are small; their compression would cost more than it saves.
    "ws_per_message_deflate": False,
    # By default uvicorn waits forever; a platform kills the process after 30 s.
    "timeout_graceful_shutdown": 8,
    # Longer than the 90 s of a router, so that the router closes a connection, which it may be about to use.
    "timeout_keep_alive": 95,
    "server_header": False,
    # A client could forge the address that uvicorn takes from X-Forwarded-For: see `client_address.py`.
    "proxy_headers": False,
    "lifespan": "on",
    # `logs.py` formats all lines, and `access_log.py` writes the line of a request.
    "log_config": "app/observability/logging.json",
    "access_log": False,
}


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments of `uvicorn.run`."""
    return {
        **FLAGS,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        # Below this level, uvicorn logs headers and frames.
        "log_level": "info" if settings.log_level in ("debug", "trace") else settings.log_level,
        "log_config": str(Path(__file__).parents[1] / "observability" / "logging.json"),
    }
