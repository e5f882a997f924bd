"""An order asks whether its brand's data may go where the model is; if not, it is refused, once."""

from uuid import UUID

import pytest
from imprimatur.workflow import order

from generation.jobs.models import GenerationJob
from generation.registry import services as registry
from generation.registry.records import EndpointRecord
from governance.quota.errors import QuotaExceeded
from governance.refusals import selectors as refusals
from tests import rows
from tests.factories import endpoints
from tests.factories.orders import VARIABLES, Desk
from tests.factories.quota import platform_admin
from tests.factories.review import NOW

REFUSAL_ONLY = {"ledger_entry": 1, "ledger_pending": 1, "refusals_refusal": 1}


def move_to(desk: Desk, *data_classes: str) -> EndpointRecord:
    """Bring a version of the desk's model into use that is made at an endpoint for these."""
    endpoint = endpoints.endpoint(data_classes=list(data_classes))
    endpoints.model(endpoint, slug=desk.profile.slug)
    return endpoint


class TestAnOrder:
    def test_whose_data_may_not_go_there_leaves_one_refusal_and_no_work(self, desk: Desk) -> None:
        move_to(desk, "public")
        before = rows.counted()
        with pytest.raises(order.OrderRefused) as caught:
            desk.place(variants=2)
        error = caught.value
        assert (error.pointer, error.facts["rule"]) == ("/profile", "endpoint")
        assert rows.added_since(before) == REFUSAL_ONLY
        kept = refusals.get_refusal(desk.marketer, UUID(str(error.facts["refusal_id"])))
        assert (kept.stage, kept.category) == ("endpoint", "endpoint_data_class")
        assert "studio@1" in kept.reason
        assert kept.overridable_by is None
        assert "Nobody overrides this" in kept.explanation
        assert not GenerationJob.objects.exists()

    def test_whose_endpoint_was_retired_is_refused(self, desk: Desk) -> None:
        endpoint = move_to(desk, "internal")
        registry.retire_endpoint(actor=platform_admin(), endpoint_id=endpoint.id, now=NOW)
        with pytest.raises(order.OrderRefused) as caught:
            desk.place()
        assert caught.value.facts["category"] == "endpoint_not_in_use"

    def test_whose_data_may_go_there_is_placed_and_one_in_process_is_not_asked(
        self, desk: Desk
    ) -> None:
        assert desk.place().items
        move_to(desk, "public", "internal")
        # Past every refusal: nobody gave this version of the model any quota yet.
        with pytest.raises(QuotaExceeded):
            desk.place()

    def test_is_warned_by_the_preview(self, desk: Desk) -> None:
        move_to(desk, "public")
        before = rows.counted()
        shown = order.preview(
            actor=desk.marketer,
            template_id=desk.version.template_id,
            variables=VARIABLES,
            now=NOW,
        )
        assert "studio@1" in str(shown.violation)
        assert rows.added_since(before) == {}
