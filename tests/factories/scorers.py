"""Registered scorers for tests: proposed by one admin and approved by another."""

from typing import Any

from generation.registry import services
from generation.registry.selectors import ScorerRecord
from tests.factories import licences
from tests.factories.quota import NOW, platform_admin


def facts(**changes: Any) -> dict[str, Any]:
    """Return what a scorer is proposed with, with single facts changed."""
    if "licence_id" not in changes:
        changes["licence_id"] = licences.agreed("LicenseRef-scorer").id
    return {
        "scorer": "nsfw",
        "title": "Unsafe content",
        "kind": "safety",
        "version": "1",
        "folder": "scorers/nsfw",
        "snapshot_sha256": "a" * 64,
        "settings": {"unsafe_labels": ["nsfw"]},
        "higher_is": "worse",
        "low": 0.0,
        "high": 1.0,
        "inputs": ["image"],
        "cost_ms": 200.0,
        "now": NOW,
    } | changes


def proposed(**changes: Any) -> ScorerRecord:
    """Propose a scorer that nobody has approved."""
    return services.propose_scorer(actor=platform_admin(), **facts(**changes))


def approved(**changes: Any) -> ScorerRecord:
    """Propose a scorer as one admin and approve it as another."""
    made = proposed(**changes)
    return services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
