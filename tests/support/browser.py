"""A real browser for tests of pages."""

import os
import shutil
import sys
from ctypes.util import find_library
from typing import Final

from playwright.async_api import Browser, Playwright

MISSING = "The tests of pages need Chromium: `make .venv/browser` installs it."
#: `scripts/prerequisites.py` puts one into `.venv` where the system has none.
_PATH: Final = os.pathsep.join((os.environ["PATH"], f"{sys.prefix}/bin"))
# The Node.js of playwright is linked to libatomic, which a bare Debian does not have.
if sys.platform == "linux" and find_library("atomic") is None and (node := shutil.which("node")):
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", node)


async def launched(playwright: Playwright) -> Browser:
    """Start Chromium without a window, and without its sandbox, which does not work for root."""
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, (shutil.which(name, path=_PATH) for name in names)), None)
    assert executable is not None, MISSING
    return await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
