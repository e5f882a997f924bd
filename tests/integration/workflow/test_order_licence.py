"""An order asks its model's licence first: what that does not carry is refused, once."""

from typing import Any
from uuid import UUID

import pytest
from imprimatur.workflow import choices, order

from generation.jobs.models import GenerationJob
from governance.licences import services as licences
from governance.licences.records import LicenceRecord
from governance.refusals import selectors as refusals
from tests import rows
from tests.factories import jobs
from tests.factories import licences as make
from tests.factories.orders import VARIABLES, Desk
from tests.factories.quota import platform_admin
from tests.factories.review import NOW

REFUSAL_ONLY = {"ledger_entry": 1, "ledger_pending": 1, "refusals_refusal": 1}


def run_under(desk: Desk, licence: LicenceRecord) -> None:
    """Bring a new version of the desk's model into use, under this licence."""
    jobs.profile(slug=desk.profile.slug, licence_id=licence.id)


def retired() -> LicenceRecord:
    made = make.agreed("LicenseRef-old")
    return licences.retire_licence(actor=platform_admin(), licence_id=made.id, now=NOW)


class TestAnOrder:
    @pytest.mark.parametrize(
        ("category", "purpose", "licence"),
        [
            ("licence_not_agreed", "commercial", make.proposed),
            ("licence_retired", "commercial", retired),
            ("licence_purpose", "research", make.agreed),
        ],
    )
    def test_that_the_licence_does_not_carry_leaves_one_refusal_and_no_work(
        self, desk: Desk, settings: Any, category: str, purpose: str, licence: Any
    ) -> None:
        run_under(desk, licence())
        settings.PURPOSE = purpose
        before = rows.counted()
        with pytest.raises(order.OrderRefused) as caught:
            desk.place(variants=2)
        error = caught.value
        assert (error.pointer, error.facts["rule"]) == ("/profile", "licence")
        assert rows.added_since(before) == REFUSAL_ONLY
        kept = refusals.get_refusal(desk.marketer, UUID(str(error.facts["refusal_id"])))
        assert (kept.stage, kept.category, kept.reason) == ("licence", category, error.detail)
        assert not GenerationJob.objects.exists()

    def test_with_a_profile_from_before_licences_is_refused(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        old = replace(desk.profile, licence_id=None)
        monkeypatch.setattr(choices.registry, "current_profile", lambda _slug: old)
        with pytest.raises(order.OrderRefused) as caught:
            desk.place()
        assert caught.value.facts["category"] == "licence_missing"

    def test_is_refused_by_the_licence_before_any_rule(self, desk: Desk) -> None:
        run_under(desk, make.proposed())
        with pytest.raises(order.OrderRefused) as caught:
            desk.place(with_variables={"detail": "hazard"})
        assert caught.value.facts["rule"] == "licence"

    def test_for_a_purpose_that_the_licence_permits_is_placed(
        self, desk: Desk, settings: Any
    ) -> None:
        settings.PURPOSE = "internal"
        assert desk.place().items

    def test_is_warned_by_the_preview(self, desk: Desk) -> None:
        run_under(desk, make.proposed())
        before = rows.counted()
        shown = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables=VARIABLES,
            now=NOW,
        )
        assert "second person" in str(shown.violation)
        assert rows.added_since(before) == {}
