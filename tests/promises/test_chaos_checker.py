"""The judge of `make chaos` on trial: each loss and each double that it must see, it sees."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests import databases
from tests.chaos.history import History, violations
from tests.factories import jobs as make
from tests.factories import review
from tests.promises import attacks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(settings: Any, tmp_path: Path) -> make.Shop:
    review.use_sealing_key(settings, tmp_path)
    make.use_blobs(settings, tmp_path / "blobs")
    return make.shop()


@pytest.fixture
def told(shop: make.Shop) -> tuple[History, Any]:
    """Return the history of one order that was acknowledged, and made; and the order."""
    job = shop.order()
    make.finish(make.claimed(job.items[0]))
    history = History()
    operation = history.begin("marta", "order", key_of(job.id))
    history.end(operation, "ok", job_id=str(job.id), variants=1)
    return history, job


def key_of(job_id: Any) -> str:
    from generation.jobs.models import GenerationJob

    return GenerationJob.objects.get(pk=job_id).idempotency_key


def found(history: History, folder: Path) -> str:
    return "\n".join(line for line in violations(history, folder) if "leaf" not in line)


def test_finds_nothing_where_all_is_well(told: tuple[History, Any], tmp_path: Path) -> None:
    history, _job = told
    assert found(history, tmp_path / "published") == ""


def test_sees_an_acknowledged_order_that_is_lost(told: tuple[History, Any], tmp_path: Path) -> None:
    history, _job = told
    history.end(history.begin("marta", "order", "gone"), "ok", job_id="gone", variants=1)
    assert "is lost" in found(history, tmp_path)


def test_sees_an_order_that_was_refused_and_is_there(
    told: tuple[History, Any], tmp_path: Path
) -> None:
    history, job = told
    history.operations.clear()
    history.end(history.begin("marta", "order", key_of(job.id)), "fail", status=422)
    assert "was refused and is there" in found(history, tmp_path)


def test_sees_an_order_that_nobody_made(told: tuple[History, Any], tmp_path: Path) -> None:
    history, _job = told
    history.operations.clear()
    assert "nobody asked for it" in found(history, tmp_path)


def test_sees_an_item_that_never_ended(
    shop: make.Shop, told: tuple[History, Any], tmp_path: Path
) -> None:
    history, _job = told
    job = shop.order()
    history.end(
        history.begin("marta", "order", key_of(job.id)), "ok", job_id=str(job.id), variants=1
    )
    lines = found(history, tmp_path)
    assert "ended as queued" in lines
    assert "has 0 images" in lines
    assert "was booked as {'reserve': 3}" in lines
    assert "still reserves 1" in lines


def test_sees_an_object_at_the_destination_without_a_receipt(
    told: tuple[History, Any], tmp_path: Path
) -> None:
    history, _job = told
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "smuggled.png").write_bytes(b"no receipt")
    assert "no receipt allows it" in found(history, folder)


def test_sees_a_decision_and_a_publication_that_are_lost(
    told: tuple[History, Any], tmp_path: Path
) -> None:
    history, _job = told
    history.end(
        history.begin("bruno", "decide", "1"),
        "ok",
        case_id="none",
        reviewer_id="none",
        verdict="approve",
    )
    history.end(history.begin("mona", "publish", "2"), "ok", publication_id="none")
    lines = found(history, tmp_path)
    assert "the decision on none was acknowledged and is lost" in lines
    assert "publication none was acknowledged and is lost" in lines


def test_sees_a_ledger_entry_that_was_changed(told: tuple[History, Any], tmp_path: Path) -> None:
    from governance.ledger import services as ledger
    from governance.ledger.models import Entry

    history, _job = told
    ledger.sequence(now=make.NOW)
    entry = Entry.objects.order_by("id").first()
    assert entry is not None
    with databases.as_owner():
        attacks.without(["ledger_entry_append_only"])
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE ledger_entry SET body = %s WHERE id = %s",
                [b"{}", entry.id.hex if connection.vendor == "sqlite" else entry.id],
            )
        from governance.tables import guards

        guards.install(connection)
    assert "have changed" in "\n".join(violations(history, tmp_path))


def test_measures_recovery_from_what_began_after_the_fault() -> None:
    history = History()
    before = history.begin("marta", "order", "before")
    moment = time.monotonic() + timedelta(milliseconds=1).total_seconds()
    history.end(before, "ok")
    assert history.first_ok_after(moment, frozenset({"order"})) is None
    time.sleep(0.002)
    history.end(history.begin("marta", "order", "after"), "ok")
    ended = history.first_ok_after(moment, frozenset({"order"}))
    assert ended is not None
    assert ended > moment
