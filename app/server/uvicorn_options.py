"""How uvicorn is run: the flags in one place, with the reasons for those that are not its defaults."""

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
    # Frames are small; compressing each costs more than it saves.
    "ws_per_message_deflate": False,
    # Uvicorn waits for ever unless told; a platform kills after 30 s.
    "timeout_graceful_shutdown": 8,
    # Longer than a router's 90 s, so that the router, not we, closes a connection that it may be about to use.
    "timeout_keep_alive": 95,
    "server_header": False,
    # What uvicorn makes of X-Forwarded-For anybody can forge: see `client_address.py`.
    "proxy_headers": False,
    "lifespan": "on",
    # One format for all lines, and our own line for a request: see `logs.py` and `access_log.py`.
    "log_config": "app/observability/logging.json",
    "access_log": False,
}


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """The keyword arguments of `uvicorn.run`."""
    return {
        **FLAGS,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        # Below this, uvicorn tells of headers and frames.
        "log_level": "info" if settings.log_level in ("debug", "trace") else settings.log_level,
        "log_config": str(Path(__file__).parents[1] / "observability" / "logging.json"),
    }
