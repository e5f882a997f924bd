"""What every test of the API shares: people in a brand, and clients that behave as programs do."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from templates.brands import services as brands
from tests.factories import people, review
from tests.integration.api.client import Client


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)


@pytest.fixture
def ada(db: None) -> Actor:
    return people.admins()[0]


@pytest.fixture
def brand_id(ada: Actor) -> UUID:
    return brands.create_brand(
        actor=ada, slug="northwind", name="Northwind", palette=["#1f3a5f"], now=people.NOW
    ).id


@pytest.fixture
def other_brand_id(ada: Actor) -> UUID:
    return brands.create_brand(
        actor=ada, slug="southwind", name="Southwind", palette=["#5f3a1f"], now=people.NOW
    ).id


@pytest.fixture
def marta(ada: Actor, brand_id: UUID) -> Client:
    """A marketer, signed in."""
    people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER])
    return Client.signed_in("marta")


@pytest.fixture
def stranger(ada: Actor, other_brand_id: UUID) -> Client:
    """A marketer of another brand, signed in."""
    people.add(ada, "sam", brand_id=other_brand_id, roles=[Role.MARKETER, Role.BRAND_REVIEWER])
    return Client.signed_in("sam")


@pytest.fixture
def admin(ada: Actor) -> Client:
    """A platform admin, signed in."""
    return Client.signed_in("ada")
