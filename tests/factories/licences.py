"""Licences for tests: proposed by one admin and agreed by another, through the services."""

from typing import Any

from governance.kernel.digests import sha256_hex
from governance.licences import services
from governance.licences.records import LicenceRecord, Terms
from tests.factories.quota import NOW, platform_admin

TEXT = b"Everybody may use this model for anything.\n"


def facts(**changes: Any) -> dict[str, Any]:
    """Return what a licence is proposed with, with single facts changed."""
    made: dict[str, Any] = {
        "identifier": "LicenseRef-demo",
        "name": "Licence of the demo model",
        "text": TEXT,
        "terms": Terms(purposes=("commercial", "internal"), obligations=("notice",)),
        "now": NOW,
    }
    made |= changes
    return {"text_sha256": sha256_hex(made["text"])} | made


def proposed(**changes: Any) -> LicenceRecord:
    """Propose a licence that nobody has agreed to."""
    return services.propose_licence(actor=platform_admin(), **facts(**changes))


def agreed(identifier: str = "LicenseRef-demo", **changes: Any) -> LicenceRecord:
    """Propose a licence as one admin and agree to it as another."""
    made = proposed(identifier=identifier, **changes)
    return services.agree_licence(actor=platform_admin(), licence_id=made.id, now=NOW)
