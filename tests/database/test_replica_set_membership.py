"""Connections that were opened before a server became a member of its replica set work afterwards."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.errors import ConfigurationError

from app.database.local_mongod import find_mongod
from repositories.database.client import connect, initiate_replica_set
from repositories.journal.transaction import is_transient
from tests.support.process_tree import wait_for


@pytest.fixture
def fresh_mongod(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Yield the address and the socket of a mongod that is not a member of its set yet."""
    socket = tmp_path / "m.sock"
    command = (find_mongod(), "--dbpath", tmp_path, "--bind_ip", socket, "--logpath", tmp_path / "log")
    mongod = subprocess.Popen((*command, "--replSet", "rs0"), stdout=subprocess.DEVNULL)
    try:
        wait_for(socket.exists, "mongod did not start")
        yield f"mongodb://{str(socket).replace('/', '%2F')}/?directConnection=true", str(socket)
    finally:
        mongod.kill()
        mongod.wait()


async def test_connections_from_before_the_membership_are_replaced(
    fresh_mongod: tuple[str, str],
) -> None:
    url, socket = fresh_mongod
    client = connect(url)
    driver = client.delegate
    # Opened before the membership, and kept by the pool.
    driver.admin.command("ping")

    def refusal() -> ConfigurationError | None:
        try:
            with driver.start_session() as session, session.start_transaction():
                driver.shop.things.insert_one({}, session=session)
        except ConfigurationError as error:
            return error
        return None

    # The journal tries again until the driver has noticed the change.
    early = refusal()
    assert early is not None
    assert is_transient(early)
    assert initiate_replica_set(url, "rs0", socket)
    wait_for(lambda: bool(driver.admin.command("hello")["isWritablePrimary"]), "no primary")
    wait_for(lambda: refusal() is None, "the connection knows no sessions for ever")
    client.close()
