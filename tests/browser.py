"""A real browser for tests of pages."""

import shutil

from playwright.async_api import Browser, Playwright

MISSING = "The tests of pages need Chromium: install it, on Debian with `apt-get install -y chromium`."


async def launched(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window. It runs as whoever runs the tests, in a container often root."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable is not None, MISSING
    return await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
