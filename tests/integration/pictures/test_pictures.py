"""Incoming pictures: kept once with their rights, read in their brand; a refusal leaves nothing."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from generation.assets import blobs
from generation.pictures import decoding, selectors, services
from governance.kernel.actors import SYSTEM, ActorKind
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from governance.review import selectors as review
from tests import rows
from tests.factories import pictures as make
from tests.factories.pictures import NOW, Studio, examined, png, statement, with_people


def kept(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


class TestTakingIn:
    def test_keeps_bare_pixels_with_both_digests_and_the_uploader(self, studio: Studio) -> None:
        taken = studio.bring()
        picture = taken.picture
        assert taken.is_new
        assert picture.received_sha256 == sha256_hex(png())
        assert (picture.width_px, picture.height_px, picture.name) == (8, 6, "cup.png")
        data, media_type = selectors.read_bytes(picture)
        assert (sha256_hex(data), media_type) == (picture.sha256, "image/png")
        assert Image.open(io.BytesIO(selectors.read_preview(picture)[0])).format == "WEBP"
        subject = review.find_subject(picture.subject_id)
        assert (subject.kind, subject.sha256) == ("picture", picture.sha256)
        assert review.contributors(picture.id) == {studio.marketer.id}
        assert picture.rights.state == "in_force"
        found = Entry.objects.filter(subject_id=picture.id)
        assert list(found.values_list("event", flat=True)) == ["generation.picture.taken_in"]

    def test_of_the_same_file_is_the_same_picture_with_the_rights_it_had(
        self, studio: Studio
    ) -> None:
        first = studio.picture()
        again = studio.bring(rights=statement(owner="Somebody Else"), by=studio.steward)
        assert (again.is_new, again.picture) == (False, first)
        assert review.contributors(first.id) == {studio.marketer.id, studio.steward.id}

    def test_of_the_same_pixels_in_another_file_is_the_same_picture(self, studio: Studio) -> None:
        """Else what was withdrawn would come back with one byte of metadata changed."""
        first = studio.picture()
        studio.withdraw(first)
        other = decoding.examine(png(compress_level=0))
        assert other.received_sha256 != first.received_sha256
        taken = services.take_in(
            actor=studio.marketer,
            brand_id=studio.brand_id,
            examined=other,
            name="new.png",
            statement=statement(),
            now=NOW,
        )
        assert not taken.is_new
        assert (taken.picture.id, taken.picture.rights.state) == (first.id, "withdrawn")

    def test_in_another_brand_is_another_picture(self, studio: Studio) -> None:
        assert Studio().picture().id != studio.picture().id

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"statement": statement(owner=" ")}, "/owner"),
            ({"statement": statement(biometric_use=True)}, "/biometric_use"),
            ({"name": ""}, "/file"),
            ({"name": "a\x00b.png"}, "/file"),
            ({"name": "x" * 256}, "/file"),
        ],
    )
    def test_refused_leaves_nothing(
        self, studio: Studio, store: Path, changes: dict[str, Any], pointer: str
    ) -> None:
        before = rows.counted()
        with pytest.raises(InvalidInput) as error:
            services.take_in(
                **{
                    "actor": studio.marketer,
                    "brand_id": studio.brand_id,
                    "examined": examined(),
                    "name": "cup.png",
                    "statement": statement(),
                    "now": NOW,
                }
                | changes
            )
        assert error.value.pointer == pointer
        assert (rows.added_since(before), kept(store)) == ({}, [])

    def test_that_the_store_fails_leaves_nothing(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_data: bytes) -> str:
            raise OSError(28, "No space left on device")

        before = rows.counted()
        monkeypatch.setattr(blobs, "put", full)
        with pytest.raises(OSError, match="No space"):
            studio.bring()
        assert {t: n for t, n in rows.added_since(before).items() if t != "sealing_personkey"} == {}

    def test_is_for_people_of_the_brand_who_may(self, studio: Studio) -> None:
        key = make.review.person(
            studio.brand_id,
            *make.Role,
            kind=ActorKind.INTEGRATION,
            scopes=frozenset({"generation:picture:take_in", "rights:record:create"}),
        )
        for actor in (studio.auditor, studio.outsider, SYSTEM, key):
            with pytest.raises(NotPermitted):
                studio.bring(by=actor)
            with pytest.raises(NotPermitted):
                services.examine(
                    actor=actor,
                    brand_id=studio.brand_id,
                    data=b"",
                    statement=statement(),
                    now=NOW,
                )

    def test_looks_at_no_file_without_rights(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(_data: bytes) -> None:
            raise AssertionError

        monkeypatch.setattr(decoding, "examine", never)
        with pytest.raises(InvalidInput):
            services.examine(
                actor=studio.marketer,
                brand_id=studio.brand_id,
                data=png(),
                statement=statement(evidence=""),
                now=NOW,
            )


class TestReading:
    def test_is_a_brands_own(self, studio: Studio) -> None:
        picture = studio.picture()
        assert selectors.get_picture(studio.auditor, picture.id) == picture
        assert selectors.list_pictures(studio.auditor, now=NOW) == [picture]
        assert selectors.list_pictures(studio.outsider, now=NOW) == []
        reads: list[Callable[..., Any]] = [selectors.get_picture, selectors.list_rights]
        for read in reads:
            with pytest.raises(NotFound):
                read(studio.outsider, picture.id)
        with pytest.raises(NotFound):
            selectors.get_by_rights(studio.outsider, picture.rights.id)
        with pytest.raises(NotFound):
            selectors.get_picture(studio.auditor, uuid7())

    def test_sees_bytes_that_changed(self, studio: Studio, store: Path) -> None:
        picture = studio.picture()
        (stored,) = store.rglob(picture.sha256)
        stored.chmod(0o600)
        stored.write_bytes(b"other")
        with pytest.raises(blobs.BlobCorrupt):
            selectors.read_bytes(picture)

    def test_pages_and_takes_no_more_queries_for_more(self, studio: Studio) -> None:
        brought = [studio.picture(color) for color in ("red", "green", "blue")]
        page = selectors.list_pictures(studio.steward, now=NOW, limit=2)
        assert [each.id for each in page] == [brought[2].id, brought[1].id]
        after = selectors.list_pictures(studio.steward, now=NOW, after=page[-1].id)
        assert [each.id for each in after] == [brought[0].id]
        costs = []
        for limit in (1, 3):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                selectors.list_pictures(studio.steward, now=NOW, limit=limit)
            costs.append(len(queries))
        assert costs[0] == costs[1]

    def test_finds_what_waits_and_what_ends(self, studio: Studio) -> None:
        waits = studio.picture("red", with_people())
        ends = studio.picture("green", statement(expires_at=make.SOON))
        gone = studio.withdraw(studio.picture("blue"))

        def shown(show: str, at: Any = NOW) -> list[Any]:
            found = selectors.list_pictures(studio.steward, now=at, show=show)
            return [each.id for each in found]

        assert shown("waiting") == [waits.id]
        assert (shown("expiring"), shown("expired")) == ([ends.id], [])
        assert (shown("expiring", make.SOON), shown("expired", make.SOON)) == ([], [ends.id])
        assert shown("withdrawn") == [gone.subject_id]
        assert len(shown("all")) == 3
        with pytest.raises(InvalidInput):
            shown("nonsense")


class TestRights:
    def test_are_restated_confirmed_and_withdrawn_on_the_picture(self, studio: Studio) -> None:
        picture = studio.picture()
        restated = services.restate_rights(
            actor=studio.marketer, picture_id=picture.id, statement=with_people(), now=NOW
        )
        assert (restated.rights.number, restated.rights.state) == (2, "waiting")
        assert selectors.may_confirm(studio.steward, restated, [studio.marketer.id])
        assert not selectors.may_confirm(studio.marketer, restated, [])
        assert not selectors.may_confirm(studio.steward, restated, [studio.steward.id])
        assert studio.confirm(restated).state == "in_force"
        now_in_force = selectors.get_picture(studio.marketer, picture.id)
        assert selectors.may_withdraw(studio.marketer, now_in_force)
        assert not selectors.may_withdraw(studio.auditor, now_in_force)
        assert studio.withdraw(now_in_force).state == "withdrawn"
        history = selectors.list_rights(studio.auditor, picture.id)
        assert [each.state for each in history] == ["withdrawn", "replaced"]
