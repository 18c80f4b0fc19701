"""A real browser for tests of pages."""

import os
import shutil
import sys

from playwright.async_api import Browser, Playwright

MISSING = "The tests of pages need Chromium: `make .venv/browser` installs it."
#: `scripts/prerequisites.py` puts one into `.venv` where the system has none.
_PATH = os.pathsep.join((os.environ["PATH"], f"{sys.prefix}/bin"))


async def launched(playwright: Playwright) -> Browser:
    """Start Chromium, without a window and without its sandbox, which it refuses to root."""
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, (shutil.which(name, path=_PATH) for name in names)), None)
    assert executable is not None, MISSING
    return await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
