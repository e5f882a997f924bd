"""Endpoints for tests: proposed by one admin, approved by another, and a model at one."""

from typing import Any

from generation.registry import services
from generation.registry.records import EndpointRecord
from generation.registry.selectors import ProfileRecord
from tests.factories import jobs
from tests.factories.quota import platform_admin
from tests.factories.review import NOW


def facts(**changes: Any) -> dict[str, Any]:
    """Return what an endpoint is proposed with."""
    return {
        "slug": "studio",
        "kind": "openai_images",
        "place": "inside",
        "url": "https://images.inside.example",
        "settings": {},
        "credential": "",
        "data_classes": ["internal", "public"],
        "now": NOW,
    } | changes


def endpoint(*, is_approved: bool = True, **changes: Any) -> EndpointRecord:
    """Propose an endpoint and approve it."""
    made = services.propose_endpoint(actor=platform_admin(), **facts(**changes))
    if not is_approved:
        return made
    return services.approve_endpoint(actor=platform_admin(), endpoint_id=made.id, now=NOW)


def at(url: str, **changes: Any) -> EndpointRecord:
    """Bring a server of this machine into use."""
    return endpoint(url=url, settings={"may_be_plain": True}, **changes)


def model(endpoint: EndpointRecord, **changes: Any) -> ProfileRecord:
    """Bring a model at an endpoint into use."""
    return jobs.profile(
        **{
            "family": endpoint.kind,
            "pipeline": f"endpoint:{endpoint.name}",
            "folder": "studio/tiny",
            "dtype": "bfloat16",
            **changes,
        }
    )
