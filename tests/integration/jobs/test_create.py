"""Creating an order: quota, rows, ledger and hints are one transaction, or nothing."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from generation.jobs import selectors
from generation.jobs.models import GenerationJob, JobItem
from governance.policy.permits import NotPermitted
from governance.quota.errors import QuotaExceeded
from tests.factories import jobs as make


class TestCreateJob:
    def test_writes_items_with_seeds_quota_and_one_hint_each(self, shop: make.Shop) -> None:
        job = shop.order(3)
        assert job.state == "queued"
        assert [(item.number, item.seed, item.state) for item in job.items] == [
            (1, 11, "queued"),
            (2, 12, "queued"),
            (3, 13, "queued"),
        ]
        assert set(shop.balances().values()) == {(3, 0)}
        assert [make.hints(item.id) for item in job.items] == [1, 1, 1]
        assert make.events(job.id) == ["generation.job.created"]

    def test_leaves_nothing_when_the_quota_does_not_suffice(self, shop: make.Shop) -> None:
        shop.order(20)
        before = make.count_rows()
        with pytest.raises(QuotaExceeded):
            shop.order(1)
        assert make.count_rows() == before

    def test_is_for_marketers_of_the_brand_only(self, shop: make.Shop) -> None:
        before = make.count_rows()
        with pytest.raises(NotPermitted):
            shop.order(actor=shop.team.auditor)
        # The factory sealed the prompt under the auditor's new key before it asked.
        assert make.count_rows() == before | {"sealing_personkey": before["sealing_personkey"] + 1}

    def test_takes_an_idempotency_key_once_for_each_person(self, shop: make.Shop) -> None:
        job = shop.order(key="spring")
        assert selectors.find_job_by_key(shop.marketer, "spring") == job.id
        assert selectors.find_job_by_key(shop.team.manager, "spring") is None
        before = make.count_rows()
        with pytest.raises(IntegrityError):
            shop.order(key="spring")
        assert make.count_rows() == before
        assert set(shop.balances().values()) == {(1, 0)}

    def test_keeps_prompt_and_variables_in_no_column_in_clear(self, shop: make.Shop) -> None:
        job = shop.order()
        for model in (GenerationJob, JobItem):
            row = model.objects.values().get()
            assert all(b"quiet harbor" not in bytes(str(value), "utf-8") for value in row.values())
        assert selectors.prompt_of(shop.marketer, job.items[0].id) == make.PROMPT

    def test_gives_two_orders_of_one_text_different_fingerprints_only_by_their_seal(
        self, shop: make.Shop
    ) -> None:
        first, second = shop.order(), shop.order()
        prints = set(JobItem.objects.values_list("fingerprint", flat=True))
        assert len(prints) == 2
        assert first.items[0].seed == second.items[0].seed


JOB_COLUMNS = (
    "brand_id",
    "requester_id",
    "template_id",
    "template_version_id",
    "template_version_sha256",
    "template_name",
    "profile_id",
    "scoring_policy_id",
    "variables",
    "idempotency_key",
    "created_at",
)
ITEM_COLUMNS = (
    "job_id",
    "brand_id",
    "requester_id",
    "number",
    "prompt",
    "negative_prompt",
    "seed",
    "width_px",
    "height_px",
    "steps",
    "guidance",
    "fingerprint",
    "created_at",
)


class TestWhatWasOrdered:
    def test_cannot_change_in_any_column(self, shop: make.Shop, subtests: pytest.Subtests) -> None:
        shop.order()
        rows = [("jobs_generationjob", c) for c in JOB_COLUMNS]
        rows += [("jobs_jobitem", c) for c in ITEM_COLUMNS]
        for table, column in rows:
            with subtests.test(f"{table}.{column}"):
                kept = _value(table, column)
                with pytest.raises(DatabaseError, match="cannot change"), transaction.atomic():
                    _set(table, column, _other(kept))
                assert _value(table, column) == kept

    def test_is_never_deleted(self, shop: make.Shop) -> None:
        shop.order()
        for table in ("jobs_jobitem", "jobs_generationjob"):
            with (
                pytest.raises(DatabaseError),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(f"DELETE FROM {table}")

    def test_may_still_move(self, shop: make.Shop) -> None:
        """The control: the guard refuses what was ordered, not the work on it."""
        item = shop.order().items[0]
        _set("jobs_jobitem", "steps_done", 2)
        assert shop.item(item.id).progress_share == pytest.approx(2 / 3)


def _value(table: str, column: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        value = cursor.fetchone()[0]
        return bytes(value) if isinstance(value, memoryview) else value


def _set(table: str, column: str, value: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s", [value])


def _other(value: object) -> object:
    from datetime import datetime, timedelta
    from uuid import UUID

    from governance.kernel.ids import uuid7

    match value:
        case UUID():
            return uuid7()
        case datetime():
            return value + timedelta(days=1)
        case bytes():
            return b"other"
        case int() | float():
            return value + 16
        case _:
            return "f" * len(str(value))
