"""What every test of accounts shares: a database, a sealing key, two admins and a brand."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import Actor
from templates.brands import services as brands
from tests.factories import people, review


@pytest.fixture(autouse=True)
def _sealing_key(settings: Any, tmp_path: Path) -> None:
    review.use_sealing_key(settings, tmp_path)


@pytest.fixture
def admins(db: None) -> tuple[Actor, Actor]:
    return people.admins()


@pytest.fixture
def ada(admins: tuple[Actor, Actor]) -> Actor:
    return admins[0]


@pytest.fixture
def grace(admins: tuple[Actor, Actor]) -> Actor:
    return admins[1]


@pytest.fixture
def brand_id(ada: Actor) -> UUID:
    return brands.create_brand(
        actor=ada, slug="northwind", name="Northwind", palette=["#1f3a5f"], now=people.NOW
    ).id
