"""An object store at its worst (F10): one object with the right bytes and one receipt, or none."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from imprimatur.publishing import services
from imprimatur.publishing.models import Publication, Receipt, Removal
from imprimatur.publishing.selectors import TRIES, PublicationRecord

from governance.kernel.digests import sha256_hex
from tests.factories.publishing import NOW, Press, current
from tests.unit.imprimatur.publishing.test_s3 import Faulty, serve


@pytest.fixture
def order(
    press: Press, credential: Callable[[str, str], Path]
) -> Callable[[str], PublicationRecord]:
    """Order a delivery to the store that listens there."""

    def to(endpoint: str) -> PublicationRecord:
        release = press.recorded()
        credential("store", json.dumps({"access_key_id": "a", "secret_access_key": "b"}))
        config = {
            "bucket": "assets",
            "region": "us-east-1",
            "endpoint_url": endpoint,
            "read_timeout_s": 0.2,
        }
        target = press.destination("store", kind="s3", config=config, credential_ref="store")
        return press.ordered(release, target)

    return to


def tries(publication: PublicationRecord) -> list[str]:
    """Deliver until it is over, as the sweeper would have it; return the states in between."""
    states = []
    for _ in range(TRIES):
        services.deliver(publication_id=publication.id, now=NOW)
        states.append(current(publication).state)
        Publication.objects.filter(pk=publication.id, lease_until__isnull=False).update(
            lease_until=Now() - timedelta(seconds=1)
        )
        if states[-1] != "delivering":
            break
    return states


def faults() -> dict[str, Faulty]:
    return {
        "answers 500, and 503 after that": Faulty(put_status=[500, 503, 500]),
        "stores it and loses the answer": Faulty(loses_answers=1),
        "stores it and loses every answer of the first try": Faulty(loses_answers=3),
    }


class TestAFaultyStore:
    @pytest.mark.parametrize("fault", faults().values(), ids=faults())
    def test_holds_one_object_and_there_is_one_receipt(
        self, order: Callable[[str], PublicationRecord], fault: Faulty
    ) -> None:
        with serve(fault) as endpoint:
            ordered = order(endpoint)
            states = tries(ordered)
        assert states[-1] == "published"
        assert fault.stored is not None
        assert sha256_hex(fault.stored) == ordered.marked_sha256
        receipt = Receipt.objects.get()
        assert (receipt.sha256, receipt.size_bytes) == (ordered.marked_sha256, len(fault.stored))

    def test_that_stalls_is_left_and_delivered_to_later(
        self, order: Callable[[str], PublicationRecord]
    ) -> None:
        stalled = Faulty(stalls=threading.Event())
        with serve(stalled) as endpoint:
            ordered = order(endpoint)
            assert not services.deliver(publication_id=ordered.id, now=NOW)
            assert (current(ordered).state, Receipt.objects.count()) == ("delivering", 0)
            assert stalled.stalls is not None
            stalled.stalls.set()
            stalled.stalls = None
            Publication.objects.update(lease_until=Now() - timedelta(seconds=1))
            assert services.deliver(publication_id=ordered.id, now=NOW)
        assert sha256_hex(stalled.stored or b"") == ordered.marked_sha256
        assert Receipt.objects.count() == 1

    @pytest.mark.parametrize(
        "fault",
        [Faulty(cut_at=20), Faulty(alter=lambda data: data[:-1] + b"x")],
        ids=["breaks off in the middle of reading back", "hands out other bytes"],
    )
    def test_that_cannot_show_the_bytes_gets_no_receipt(
        self, order: Callable[[str], PublicationRecord], fault: Faulty
    ) -> None:
        with serve(fault) as endpoint:
            ordered = order(endpoint)
            states = tries(ordered)
        assert states[-1] == "failed"
        assert Receipt.objects.count() == 0

    def test_that_fails_is_cleared_after_a_withdrawal(
        self, press: Press, order: Callable[[str], PublicationRecord]
    ) -> None:
        fault = Faulty(cut_at=20)
        with serve(fault) as endpoint:
            ordered = order(endpoint)
            assert tries(ordered)[-1] == "failed"
            assert fault.stored is not None, "the bytes are out, and nobody has a receipt"
            services.withdraw(
                actor=press.team.manager,
                release_id=ordered.release_id,
                reason="A wrong product.",
                now=NOW,
            )
            fault.cut_at = None
            assert services.unpublish(publication_id=ordered.id, now=NOW)
        assert fault.stored is None
        assert (current(ordered).state, Removal.objects.get().found) == ("recalled", "removed")
