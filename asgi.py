"""The ASGI application for uvicorn: `uvicorn asgi:app`."""

import gc
import sys

from app.application import create_app
from app.config.settings import InvalidSettings, read_settings
from app.config.sign_in_mode import refuse_unsafe, warn_of
from app.observability.access_log import AccessLog
from app.observability.line_writer import LineWriter
from app.observability.logs import configure, shows_requests
from app.server.memory import take_little
from app.server.open_files import raise_limit
from services.printing.parent_death import end_with_supervisor

end_with_supervisor()
take_little()
try:
    settings = read_settings()
    if settings.mongodb_url is None:
        sys.exit(
            "MONGODB_URL is not set: set it to your MongoDB's address, or run `pos serve`, which starts a local one."
        )
    refuse_unsafe(settings)
    configure(settings)
    raise_limit()
    warn_of(settings)
    is_shown = shows_requests(settings)
    app = create_app(
        settings,
        access_log=AccessLog(settings.log_format) if is_shown else None,
        socket_log=LineWriter(settings.log_format) if is_shown else None,
    )
except InvalidSettings as error:
    sys.exit(str(error))

# The objects of now are permanent, so the garbage collector need not visit them again, which would pause all clients
# for about 30 ms each time. Most garbage of requests is freed without the collector, so it runs less often. It must not
# run too rarely, since only the collector frees closed WebSockets, and thousands would pile up.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 5, 2)
