"""Adapters for tests: proposed by one admin, approved by another, on record with their licence."""

from typing import Any

from generation.packs.manifest import Pack
from generation.registry import services
from generation.registry.selectors import AdapterRecord
from governance.kernel.digests import sha256_hex
from tests.factories import licences
from tests.factories.quota import platform_admin
from tests.factories.review import NOW


def facts(**changes: Any) -> dict[str, Any]:
    """Return what an adapter is proposed with; its licence is on record."""
    made: dict[str, Any] = {
        "slug": "brand-look",
        "name": "Brand look",
        "kind": "lora",
        "family": "sd3",
        "folder": "nowhere/lora",
        "snapshot_sha256": sha256_hex(b"lora"),
        "files": [{"path": "README.md", "size": 3, "sha256": sha256_hex(b"---")}],
        "trigger_words": ["in brand style"],
        "training_record": "Sixty product photographs of our own, shot in 2026.",
        "now": NOW,
    } | changes
    if "licence_id" not in made:
        made["licence_id"] = licences.agreed().id
    return made


def adapter(pack: Pack | None = None, *, is_approved: bool = True, **changes: Any) -> AdapterRecord:
    """Propose an adapter, from a pack or as a name that no worker could load, and approve it."""
    kind = changes.get("kind", "lora")
    if pack is not None:
        found = next(each for each in pack.adapters if each.kind == kind)
        changes = {
            "folder": f"{pack.folder.name}/{found.folder.relative_to(pack.folder).as_posix()}",
            "snapshot_sha256": found.snapshot_sha256,
        } | changes
    made = services.propose_adapter(actor=platform_admin(), **facts(**changes))
    if not is_approved:
        return made
    return services.approve_adapter(actor=platform_admin(), adapter_id=made.id, now=NOW)
