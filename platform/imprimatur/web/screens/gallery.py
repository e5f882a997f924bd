"""The released templates as cards."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import ngettext

from governance.kernel.actors import Actor
from imprimatur.web.screens import _shared
from templates.brands.records import BrandRecord
from templates.prompts import selectors as prompts
from templates.prompts.records import TemplateRecord


def gallery(actor: Actor, brand_id: UUID | None) -> dict[str, Any]:
    """Return the released templates of all brands that the actor sees, or of one."""
    known = _shared.brands_by_id(actor)
    return {
        "templates": cards(actor, known, brand_id),
        "brands": list(known.values()),
        "brand_id": brand_id,
    }


def cards(
    actor: Actor, known: Mapping[UUID, BrandRecord], brand_id: UUID | None = None
) -> list[dict[str, Any]]:
    """Return one card per released template."""
    found = prompts.list_templates(actor, brand_id, released_only=True)
    return [_card(template, known) for template in found]


def _card(template: TemplateRecord, known: Mapping[UUID, BrandRecord]) -> dict[str, Any]:
    assert template.released is not None  # noqa: S101  # only released ones were asked for
    content = template.released.content
    brand = known.get(template.brand_id)
    sizes = len(content["sizes"])
    return {
        "id": template.id,
        "slug": template.slug,
        "name": template.name,
        "description": content.get("description", ""),
        "brand": brand.name if brand else "–",
        "palette": brand.palette if brand else (),
        "number": template.released.number,
        "sizes_text": ngettext("%(n)s size", "%(n)s sizes", sizes) % {"n": sizes},
    }
