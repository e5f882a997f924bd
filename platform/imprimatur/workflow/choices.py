"""What an order chooses of what its template and brand allow; each refusal names the field."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from generation.registry import selectors as registry
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidInput
from templates.brands import selectors as brands
from templates.brands.markets import Market

SEED_MAX = 2**53 - 1
SIZE_STEP_PX = 16


def check_count(variants: int) -> None:
    """Refuse a number of variants that no order may have. Raises: InvalidInput."""
    if not 1 <= variants <= settings.MAX_VARIANTS:
        raise InvalidInput(
            _("Ask for between 1 and %(most)s variants.") % {"most": settings.MAX_VARIANTS},
            pointer="/variants",
            rule="range",
        )


def choose_market(brand_id: UUID, asked: str | None) -> Market | None:
    """Return where the images are to be shown; None for a brand without markets."""
    brand = brands.get_brand(SYSTEM, brand_id)
    if asked is None:
        return brand.markets[0] if brand.markets else None
    chosen = brand.market(asked)
    if chosen is None:
        codes = ", ".join(each.code for each in brand.markets)
        raise InvalidInput(
            _("This brand's markets are: %(codes)s.") % {"codes": codes}
            if codes
            else _("This brand has no markets: leave the market out."),
            pointer="/market",
            rule="allowed",
        )
    return chosen


def choose_seed(seed: int | None) -> int:
    """Return the seed that was asked for, or a random one. Raises: InvalidInput."""
    if seed is None:
        return secrets.randbelow(SEED_MAX + 1)
    if not 0 <= seed <= SEED_MAX:
        raise InvalidInput(
            _("The seed must lie between 0 and %(most)s.") % {"most": SEED_MAX},
            pointer="/seed",
            rule="range",
        )
    return seed


def choose_profile(content: Mapping[str, Any], asked: str | None) -> ProfileRecord:
    """Return the profile of that name, or the template's first. Raises: InvalidInput."""
    allowed: list[str] = list(content["profiles"])
    if asked is not None and asked not in allowed:
        raise InvalidInput(
            _("This template may be rendered with: %(names)s.") % {"names": ", ".join(allowed)},
            pointer="/profile",
            rule="allowed",
        )
    return registry.current_profile(asked or allowed[0])


def choose_size(
    content: Mapping[str, Any], width: int | None, height: int | None
) -> tuple[int, int]:
    """Return width and height in pixels, one of the template's sizes. Raises: InvalidInput."""
    sizes = [(int(size["width"]), int(size["height"])) for size in content["sizes"]]
    if width is None and height is None:
        return sizes[0]
    for name, value in (("width", width), ("height", height)):
        if value is None:
            raise InvalidInput(
                _("Give both width and height, or neither."), pointer=f"/{name}", rule="required"
            )
        if value % SIZE_STEP_PX or value <= 0:
            raise InvalidInput(
                _("A size must be a positive multiple of %(step)s pixels.")
                % {"step": SIZE_STEP_PX},
                pointer=f"/{name}",
                rule="multiple_of_16",
            )
    if (width, height) not in sizes:
        raise InvalidInput(
            _("This template allows the sizes %(sizes)s.")
            % {"sizes": ", ".join(f"{w}×{h}" for w, h in sizes)},
            pointer="/width",
            rule="allowed",
        )
    return (int(width or 0), int(height or 0))


def parameters(content: Mapping[str, Any]) -> tuple[int, float]:
    """Return the steps and the guidance that the template's reviewers approved as its defaults."""
    chosen = content["parameters"]
    return int(chosen["steps"]["default"]), float(chosen["guidance"]["default"])
