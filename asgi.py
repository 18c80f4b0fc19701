"""The entry that uvicorn and the Procfile name: `uvicorn asgi:app`."""

import sys

from app.application import create_app
from app.settings import InvalidSettings, read_settings

try:
    settings = read_settings()
except InvalidSettings as error:
    sys.exit(str(error))
if settings.mongodb_url is None:
    sys.exit("MONGODB_URL is not set: set it to your MongoDB's address, or run `pos serve`, which brings its own.")

app = create_app(settings)
