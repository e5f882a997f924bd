from typing import Never

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from governance.kernel.ids import uuid7
from governance.outbox import services
from governance.outbox.models import Outbox

pytestmark = pytest.mark.django_db


class TestWake:
    def test_writes_one_hint_with_ids_as_text(self) -> None:
        item_id = uuid7()
        services.wake("generation.jobs.render", queue="cpu", item_id=item_id, attempt=2)
        hint = Outbox.objects.get()
        assert (hint.task, hint.queue) == ("generation.jobs.render", "cpu")
        assert hint.kwargs == {"item_id": str(item_id), "attempt": 2}
        assert (hint.sent_at, hint.attempts) == (None, 0)

    def test_is_a_single_insert(self) -> None:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            services.wake("a.b", queue="cpu", item_id=uuid7())
        assert len(queries) == 1
        assert queries[0]["sql"].startswith("INSERT INTO")

    def test_vanishes_with_its_cause(self) -> Never:
        def fail_after_waking() -> None:
            with transaction.atomic():
                services.wake("a.b", queue="cpu", item_id=uuid7())
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_after_waking()
        assert not Outbox.objects.exists()

    @pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}])
    def test_refuses_what_json_has_no_word_for(self, value: object) -> None:
        with pytest.raises(TypeError):
            services.wake("a.b", queue="cpu", value=value)

    def test_refuses_a_number_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            services.wake("a.b", queue="cpu", value=float("nan"))

    def test_refuses_to_carry_state(self) -> None:
        with pytest.raises(ValueError, match="pass ids"):
            services.wake("a.b", queue="cpu", value="x" * 5000)
        assert not Outbox.objects.exists()

    @pytest.mark.parametrize(("task", "queue"), [("", "cpu"), ("a.b", "")])
    def test_refuses_a_hint_that_leads_nowhere(self, task: str, queue: str) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            services.wake(task, queue=queue)
