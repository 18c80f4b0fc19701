"""What the state classes declare, against what the application and a store provide."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, get_origin, get_type_hints

from starlette.datastructures import State

from app.application import ProcessState
from app.composition.stores import StoreState
from endpoints import routes  # noqa: F401  (imports every module that declares a state class)
from endpoints.http.state import ShopState
from tests.support.shop import OpenShop, Shop

#: Set by the guard of a route, and not by the application.
BY_GUARD = {"principal"}


def state_classes(base: type[ShopState] = ShopState) -> Iterator[type[ShopState]]:
    yield base
    for subclass in base.__subclasses__():
        yield from state_classes(subclass)


def members_of(state: type[ShopState]) -> dict[str, Any]:
    inherited = get_type_hints(State)
    return {name: hint for name, hint in get_type_hints(state).items() if name not in inherited}


def test_the_application_declares_every_member_that_handlers_read() -> None:
    declared = get_type_hints(ProcessState)
    for state in state_classes():
        assert set(members_of(state)) - set(declared) == BY_GUARD, state


async def test_members_have_the_declared_types(shop: Shop) -> None:
    assert set(shop.state) == set(get_type_hints(ProcessState))
    for state in state_classes():
        for name, hint in members_of(state).items():
            if name not in BY_GUARD:
                type_ = hint if isinstance(hint, UnionType) else get_origin(hint) or hint
                assert isinstance(shop.state[name], type_), (state, name)


async def test_another_store_replaces_the_members_of_its_store(shop: Shop, open_shop: OpenShop) -> None:
    other = await open_shop()
    state = await shop.state["stores"].state(other.store)
    assert set(state) == set(get_type_hints(StoreState))
    assert all(state[name] is not shop.state[name] for name in state)
