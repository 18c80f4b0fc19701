"""How many sales a second one worker books, beside the JSON echo of the same stack: `make bench`.

Server, database and load generator (hey, from Debian's package of that name) share this machine, so the ratio is what
counts. The two are measured in turn, several times; medians are printed.
"""

import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from app.local_mongod import find_mongod, local_mongod

ROUNDS = 3
SECONDS = 5
CONNECTIONS = 64
PORT = 8123
PATH = "/api/orders/create-sale"

SALE = {
    "customer_name": "Asha Patil",
    "customer_phone": "9876543210",
    "customer_address": "12 MG Road, Pune",
    "sale_by": "Ravi",
    "items": [
        {"id": 1, "name": "Basmati rice 5 kg", "price": 649.5, "quantity": 2, "discount": 5.0},
        {"id": 2, "name": "Toor dal 1 kg", "price": 172.0, "quantity": 3, "discount": 0.0},
    ],
    "subtotal": 1750.05,
    "discount_amount": 0.0,
    "is_percentage_discount": False,
    "total": 1750.05,
}
FLAGS = (
    *("--port", str(PORT), "--log-level", "warning", "--no-access-log"),
    *("--http", "app.protocol:JsonHttpProtocol", "--ws", "app.protocol:SocketProtocol"),
)


def main() -> None:
    hey = shutil.which("hey") or sys.exit("hey is needed: apt-get install hey")
    figures: dict[str, list[float]] = {"echo": [], "create-sale": []}
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "sale.json")
        body.write_bytes(orjson.dumps(SALE))
        with local_mongod(Path(folder, "mongod"), executable=find_mongod()) as url:
            for _ in range(ROUNDS):
                for name, app in (("echo", "benchmarks.echo:app"), ("create-sale", "asgi:app")):
                    with serving(app, {"MONGODB_URL": url, "DATABASE_NAME": f"bench_{secrets.token_hex(4)}"}):
                        load(hey, body, 1)
                        figures[name].append(load(hey, body, SECONDS))
    echo, sales = (statistics.median(figures[name]) for name in ("echo", "create-sale"))
    for name, measured in figures.items():
        print(f"{name:12} {statistics.median(measured):8.0f} requests/s   {[round(each) for each in measured]}")
    print(f"create-sale is {sales / echo:.2f} of echo ({CONNECTIONS} connections, one worker)")


def load(hey: str, body: Path, seconds: int) -> float:
    """Requests a second; every answer must be a success."""
    command = [hey, "-z", f"{seconds}s", "-c", str(CONNECTIONS), "-m", "POST", "-D", str(body)]
    run = subprocess.run([*command, f"http://127.0.0.1:{PORT}{PATH}"], capture_output=True, text=True, check=True)
    if set(re.findall(r"\[(\d+)\]\s+\d+ responses", run.stdout)) - {"200", "201"} or "Error distribution" in run.stdout:
        sys.exit(run.stdout)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)[1])


@contextmanager
def serving(app: str, environment: dict[str, str]) -> Iterator[None]:
    server = subprocess.Popen([sys.executable, "-m", "uvicorn", app, *FLAGS], env={**os.environ, **environment})
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
