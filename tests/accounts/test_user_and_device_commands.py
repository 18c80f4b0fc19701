"""`pos user`, `pos device` and `pos session` as processes, beside a running service and without one."""

import asyncio
import json
import os
import pty
import secrets
import select
import subprocess
from typing import Any

import pytest

from repositories.database.client import temporary_client
from schemas.core.principals import OWNER
from tests.accounts.test_sign_in import profile_of, refusal
from tests.server.test_startup import POS, ROOT, environment, run
from tests.support.accounts import NEW_PASSWORD, PASSWORD, PIN, SECRET_KEY, add, as_, bearer, login, signed_in_shop
from tests.support.forked_pos import ForkedPos
from tests.support.ports import free_port
from tests.support.shop import DATABASE, OpenShop, Shop

Process = subprocess.CompletedProcess[str]


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


@pytest.fixture
def pos(mongodb_url: str, shop: Shop, forked_pos: ForkedPos) -> Any:
    """Return a function that runs `pos` on the shop's store."""

    def command(*arguments: str, text: str = "", database: str = DATABASE, secret: str = SECRET_KEY) -> Process:
        names = environment(
            MONGODB_URL=mongodb_url, DATABASE_NAME=database, STORE_ID=shop.store, COLUMNS="200", SECRET_KEY=secret
        )
        return forked_pos.run(*arguments, environment=names, text=text)

    return command


async def test_users_are_added_listed_and_removed_beside_a_running_service(shop: Shop, pos: Any) -> None:
    await add(shop, OWNER)
    name = f"Ravi-{shop.store}"
    made = pos("user", "add", name, "--pin", "--password-stdin", text=f"{PASSWORD}\n{PIN}\n")
    assert (made.returncode, made.stdout) == (0, ""), made.stderr
    assert f"{name.lower()} (cashier, store {shop.store}) can sign in now." in made.stderr
    answer = await login(shop, name)
    assert answer.status_code == 200, answer.text
    listed = pos("user", "list").stdout
    row = next(line for line in listed.splitlines() if line.startswith(name.lower()))
    assert row.split()[2:6] == ["cashier", shop.store, "password,", "pin"]
    changed = pos("user", "password", f"\u00a0{name} ", "--password-stdin", text=NEW_PASSWORD)
    assert changed.returncode == 0, changed.stderr
    shop.state["credentials"].clear_cache()
    assert refusal(await profile_of(shop, answer.json()["access_token"])) == (401, "not_signed_in")
    assert refusal(await login(shop, name)) == (401, "not_signed_in")
    assert (await login(shop, name, NEW_PASSWORD)).status_code == 200
    assert pos("user", "remove", name).returncode == 0
    assert refusal(await login(shop, name, NEW_PASSWORD)) == (401, "not_signed_in")
    for secret in (PASSWORD, NEW_PASSWORD, PIN):
        assert secret not in listed + made.stderr + changed.stderr


async def test_errors_are_printed_as_one_sentence(shop: Shop, pos: Any) -> None:
    user = await add(shop, OWNER)
    for arguments, text, expected in (
        (("user", "add", "x y", "--password-stdin"), PASSWORD, "username: must have 2 to 64 letters"),
        (("user", "add", f"a-{shop.store}", "--password-stdin"), "passwordpassword", "password: is among those"),
        (("user", "add", f"a-{shop.store}", "--password-stdin"), "", "password: must have 12 to 256 characters."),
        (("user", "add", user["login"], "--password-stdin"), PASSWORD, "There is such a user already."),
        (("user", "add", f"a-{shop.store}", "--store", "nowhere", "--password-stdin"), PASSWORD, "There is no store"),
        (("user", "remove", "unknown-user"), "", "There is no such user."),
        (("device", "remove", "DEVICE-0"), "", "There is no such device."),
    ):
        process = pos(*arguments, text=text)
        assert process.returncode == 1
        assert expected in process.stderr
        assert "Traceback" not in process.stderr
        assert "Error" not in process.stderr, "database errors do not help an operator"
    without = pos("user", "add", f"a-{shop.store}", "--password-stdin", text=PASSWORD, secret="")
    assert without.returncode == 1
    assert "Passwords need the setting SECRET_KEY" in without.stderr
    assert pos("session", "revoke").returncode == 2


async def test_the_first_owner_can_be_added_before_the_first_start(pos: Any) -> None:
    database = f"pos_tests_{secrets.token_hex(4)}"
    first = pos("user", "add", "asha", "--role", "owner", "--password-stdin", text=PASSWORD, database=database)
    assert first.returncode == 0, first.stderr
    assert "The first owner is set." in first.stderr
    second = pos("user", "add", "meena", "--role", "owner", "--password-stdin", text=PASSWORD, database=database)
    assert second.returncode == 0, second.stderr
    assert "The first owner is set." not in second.stderr
    listed = [line.split() for line in pos("user", "list", database=database).stdout.splitlines()[1:]]
    assert [(row[0], row[2], row[3], row[-1] == "USER-OWNER") for row in listed] == [
        ("asha", "owner", "all", True),
        ("meena", "owner", listed[1][3], False),
    ]
    assert listed[1][3] != "all"


async def test_the_first_owner_belongs_to_all_stores(pos: Any) -> None:
    database = f"pos_tests_{secrets.token_hex(4)}"
    add = ("user", "add", "asha", "--role", "owner", "--password-stdin")
    of_one = pos(*add, "--store", "north", text=PASSWORD, database=database)
    assert of_one.returncode == 2
    assert "The first owner belongs to all stores" in of_one.stderr
    assert "The first owner is set." in pos(*add, text=PASSWORD, database=database).stderr
    removed = pos("user", "remove", "asha", database=database)
    assert (removed.returncode, "This is the last owner of all stores" in removed.stderr) == (1, True)


async def test_another_secret_key_is_refused_unless_it_is_replaced_explicitly(
    pos: Any, mongodb_url: str, open_shop: OpenShop
) -> None:
    database = f"pos_tests_{secrets.token_hex(4)}"
    add_owner = ("user", "add", "asha", "--role", "owner", "--password-stdin")
    other = "another key of the tests: 90ab-17cd-ee21"
    assert pos(*add_owner, text=PASSWORD, database=database).returncode == 0
    with temporary_client(mongodb_url) as client:
        proof = client[database]["facts"].find_one({"_id": "secret_key"})
    assert SECRET_KEY not in str(proof)
    for command in (("user", "add", "ravi", "--password-stdin"), ("migrate",), ("user", "list")):
        refused = pos(*command, text=PASSWORD, database=database, secret=other)
        assert refused.returncode == 1
        assert "SECRET_KEY is not the key that the passwords" in refused.stderr
        assert "Traceback" not in refused.stderr
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": database, "SIGN_IN": "on", "SECRET_KEY": other}
    served = run(*POS, "serve", "--port", str(free_port()), **names)
    assert (served.returncode != 0, "Traceback" in served.stdout + served.stderr) == (True, False)
    assert "SECRET_KEY is not the key that the passwords" in served.stdout + served.stderr
    found = json.loads(pos("doctor", "--json", database=database, secret=other).stdout)
    assert [each["level"] for each in found if each["check"] == "SECRET_KEY"][-1] == "wrong"
    assert pos("migrate", "--new-key", database=database, secret=other).returncode == 0
    assert pos("migrate", database=database).returncode == 1
    shop = await open_shop(database_name=database, sign_in="on", secret_key=other)
    assert refusal(await login(shop, "asha")) == (401, "not_signed_in")
    changed = pos("user", "password", "asha", "--password-stdin", text=NEW_PASSWORD, database=database, secret=other)
    assert changed.returncode == 0, changed.stderr
    assert (await login(shop, "asha", NEW_PASSWORD)).status_code == 200


async def test_a_device_sells_with_its_printed_key_until_revocation(shop: Shop, pos: Any) -> None:
    made = pos("device", "add", "Counter tablet")
    key, device = made.stdout.strip(), made.stderr.split(" is ")[1].split(".")[0]
    assert (await profile_of(shop, key)).json() == {
        "id": device,
        "name": "Counter tablet",
        "role": "device",
        "store": shop.store,
        "device": device,
    }
    assert device in pos("device", "list").stdout
    listed = pos("session", "list", "--device", device).stdout
    assert key not in listed
    assert listed.splitlines()[1].endswith("until revoked")
    family = listed.splitlines()[1].split()[0]
    assert pos("session", "revoke", "--family", family).returncode == 0
    shop.state["credentials"].clear_cache()
    assert refusal(await profile_of(shop, key)) == (401, "not_signed_in")
    again = pos("session", "revoke", "--device", device)
    assert (again.returncode, again.stderr.strip()) == (1, "0 tokens were revoked.")
    assert pos("device", "remove", device).returncode == 0
    assert device not in pos("device", "list").stdout


async def test_a_device_can_be_added_with_the_role_of_an_owner(shop: Shop, pos: Any) -> None:
    made = pos("device", "add", "Phone of Asha", "--role", "owner")
    assert made.returncode == 0, made.stderr
    assert (await shop.http.get("/api/audit", headers=bearer(made.stdout.strip()))).status_code == 200
    row = next(line for line in pos("device", "list").stdout.splitlines() if "Phone of Asha" in line)
    assert row.split()[-2:] == ["owner", shop.store]
    refused = pos("device", "add", "Phone", "--role", "device")
    assert refused.returncode == 2
    assert "--role" in refused.stderr


async def test_all_tokens_of_a_user_can_be_revoked(shop: Shop, pos: Any) -> None:
    user = await add(shop, OWNER)
    tokens = [(await login(shop, user["login"])).json()["access_token"] for _ in range(2)]
    assert len(pos("session", "list", "--user", user["login"]).stdout.splitlines()) == 3
    assert pos("session", "revoke", "--user", user["login"].upper()).stderr.strip() == "4 tokens were revoked."
    shop.state["credentials"].clear_cache()
    for token in tokens:
        assert refusal(await profile_of(shop, token)) == (401, "not_signed_in")


def _until(terminal: int, words: bytes) -> bytes:
    """Return the terminal's output up to some words; fail without them."""
    seen = b""
    while words not in seen:
        assert select.select([terminal], [], [], 30)[0], seen
        seen += os.read(terminal, 1024)
    return seen


async def test_a_typed_password_is_not_echoed(shop: Shop, mongodb_url: str) -> None:
    names = environment(MONGODB_URL=mongodb_url, DATABASE_NAME=DATABASE, STORE_ID=shop.store, SECRET_KEY=SECRET_KEY)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(POS[0], [*POS, "user", "add", f"ravi-{shop.store}"], names)  # noqa: S606
    output = _until(terminal, b"Password: ")
    os.write(terminal, PASSWORD.encode() + b"\n")
    output += _until(terminal, b"confirmation: ")
    os.write(terminal, PASSWORD.encode() + b"\n")
    output += _until(terminal, b"can sign in now")
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert PASSWORD.encode() not in output
    assert (await login(shop, f"ravi-{shop.store}")).status_code == 200


async def test_another_process_refuses_a_removed_device_within_five_seconds(shop: Shop, pos: Any) -> None:
    """Change only the database, as another process does."""
    headers = await as_(shop, OWNER)
    token = headers["Authorization"].removeprefix("Bearer ")
    assert (await profile_of(shop, token)).status_code == 200
    pos("session", "revoke", "--user", f"owner-{shop.store}")
    cache = shop.state["credentials"]._cache
    assert cache.ttl <= 5.0
    cache.clear()
    assert (await shop.http.get("/api/auth/profile", headers=bearer(token))).status_code == 401
