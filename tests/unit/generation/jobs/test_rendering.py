"""A worker's settings reach its engines before the first image."""

from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from generation import metrics
from generation.engines import registry
from generation.engines.memory import Budget
from generation.jobs import rendering


class TestPrepare:
    def test_says_what_models_and_prompts_may_take(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(metrics, "WORKER", CollectorRegistry())
        monkeypatch.setattr(registry.SHELF, "budget", Budget())
        monkeypatch.setattr(registry.SHELF.prompts, "most_bytes", 0)
        settings.WORKER_DEVICE_MODELS_GIB = Decimal("1.5")
        settings.WORKER_HOST_MODELS_GIB = None
        settings.WORKER_PROMPTS_MB = 2
        rendering.prepare.__wrapped__()
        assert registry.SHELF.budget.device_bytes == 1_610_612_736
        assert registry.SHELF.budget.host_bytes
        assert registry.SHELF.prompts.most_bytes == 2_097_152
        assert metrics.WORKER.get_sample_value("imprimatur_models_held") is not None
