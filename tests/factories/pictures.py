"""Incoming pictures for tests: small files, statements of rights, taken in through the services."""

import io
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from PIL import Image

from generation.pictures import decoding, services
from generation.pictures.decoding import Examined
from generation.pictures.records import PictureRecord, TakenIn
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.rights.records import RightsRecord, Statement
from tests.factories import review

# Rights run by the database's clock, so the tests' time is the real one.
NOW = clock.now()
SOON = NOW + timedelta(days=10)


def png(color: str = "teal", size: tuple[int, int] = (8, 6), **options: Any) -> bytes:
    """Return a picture of one color as a file."""
    return encoded(Image.new("RGB", size, color), "PNG", **options)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file of that kind."""
    kept = io.BytesIO()
    image.save(kept, kind, **options)
    return kept.getvalue()


@cache
def examined(color: str = "teal") -> Examined:
    """Look at a picture of one color, once for all tests."""
    return decoding.examine(png(color))


def statement(**changes: Any) -> Statement:
    """Return rights in a picture that shows nobody, with single facts changed."""
    facts = {
        "owner": "Northwind Studio",
        "basis": "own_work",
        "people_shown": "none",
        "evidence": "Shot by our studio; folder 2026-03.",
    }
    return Statement(**facts | changes)


def with_people(**changes: Any) -> Statement:
    """Return rights in a picture that shows adults who consented."""
    return statement(people_shown="adults", consent="Model release 17, signed 3 March.", **changes)


@dataclass
class Studio:
    """A brand with whoever brings pictures, two who answer for rights, and somebody outside."""

    brand_id: UUID = field(default_factory=uuid7)
    marketer: Actor = field(init=False)
    steward: Actor = field(init=False)
    other_steward: Actor = field(init=False)
    auditor: Actor = field(init=False)
    outsider: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.marketer = review.person(self.brand_id, Role.MARKETER)
        self.steward = review.person(self.brand_id, Role.DATA_STEWARD)
        self.other_steward = review.person(self.brand_id, Role.DATA_STEWARD)
        self.auditor = review.person(self.brand_id, Role.AUDITOR)
        self.outsider = review.person(uuid7(), *Role)

    def bring(
        self, color: str = "teal", rights: Statement | None = None, by: Actor | None = None
    ) -> TakenIn:
        """Take a picture in, as the marketer unless somebody else is named."""
        return services.take_in(
            actor=by or self.marketer,
            brand_id=self.brand_id,
            examined=examined(color),
            name="cup.png",
            statement=rights or statement(),
            now=NOW,
        )

    def picture(self, color: str = "teal", rights: Statement | None = None) -> PictureRecord:
        """Take a new picture in."""
        return self.bring(color, rights).picture

    def confirm(self, picture: PictureRecord) -> RightsRecord:
        """Confirm a picture's rights as the steward."""
        return services.confirm_rights(
            actor=self.steward, record_id=picture.rights.id, now=NOW
        ).rights

    def withdraw(self, picture: PictureRecord) -> RightsRecord:
        """Withdraw a picture's rights as the steward."""
        return services.withdraw_rights(
            actor=self.steward, record_id=picture.rights.id, reason="Consent ended.", now=NOW
        ).rights
