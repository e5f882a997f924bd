"""Bring what the demo pack's model can wear into use, as two people, as it is on disk."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from generation.packs import manifest
from generation.registry import selectors, services
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound


def seed(
    proposer: Actor,
    approver: Actor,
    pack: manifest.Pack,
    licence_of: Callable[[manifest.PackAdapter], UUID],
    now: datetime,
) -> None:
    """Propose and approve each adapter of the pack; one that is in use as it is stays."""
    for adapter in pack.adapters:
        if _digest_in_use(adapter.slug) == adapter.snapshot_sha256:
            continue
        with transaction.atomic():
            proposed = services.propose_adapter(
                actor=proposer,
                slug=adapter.slug,
                name=adapter.name,
                kind=adapter.kind,
                family=adapter.family,
                folder=f"{pack.folder.name}/{adapter.folder.relative_to(pack.folder).as_posix()}",
                snapshot_sha256=adapter.snapshot_sha256,
                files=adapter.list_files(),
                trigger_words=adapter.trigger_words,
                # The model card says what it was trained on.
                training_record=(adapter.folder / "README.md").read_text(encoding="utf-8"),
                licence_id=licence_of(adapter),
                now=now,
            )
            services.approve_adapter(actor=approver, adapter_id=proposed.id, now=now)


def _digest_in_use(slug: str) -> str:
    try:
        return selectors.current_adapter(slug).snapshot_sha256
    except NotFound:
        return ""
