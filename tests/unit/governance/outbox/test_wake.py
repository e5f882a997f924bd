import pytest
from django.db.transaction import TransactionManagementError

from governance.outbox import services


class TestWake:
    def test_refuses_to_run_outside_a_transaction(self) -> None:
        with pytest.raises(TransactionManagementError, match="outside a transaction"):
            services.wake("generation.jobs.render", queue="cpu", item_id="1")
