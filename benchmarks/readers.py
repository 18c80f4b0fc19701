"""Clients that read or, with `--stalled`, never read: `python -m benchmarks.readers PORT CLIENTS [--stalled]`.

They stay connected until the input ends.
"""

import selectors
import socket
import sys

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connected(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", port))
    client.sendall(HANDSHAKE)
    client.recv(1_024)
    return client


def main(port: int, count: int, *, are_stalled: bool) -> None:
    clients = [connected(port) for _ in range(count)]
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for client in [] if are_stalled else clients:
            selector.register(client, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                key.fileobj.recv(65_536)  # type: ignore[union-attr]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), are_stalled="--stalled" in sys.argv)
