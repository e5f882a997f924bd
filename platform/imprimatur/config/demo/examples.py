"""Orders what a newcomer first sees: pictures as asked for, one refused and one flagged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from generation.jobs import selectors as jobs
from generation.registry import selectors as registry
from imprimatur.accounts import selectors as people
from imprimatur.config.demo import photos
from imprimatur.config.demo.seed import BRAND
from imprimatur.workflow import order
from imprimatur.workflow.wearing import Wish
from templates.brands import selectors as brands
from templates.prompts import selectors as prompts

MARKETER = "marta"


@dataclass(frozen=True, slots=True)
class Example:
    """One order: a template, what differs from its starter values, and why it is shown."""

    template: str
    shows: str
    variables: Mapping[str, str] = field(default_factory=dict)
    variants: int = 1
    look: str | None = None
    starts_from_picture: bool = False


EXAMPLES = (
    Example("hero_shot", "the starter values as they are", variants=2),
    Example("social_square", "a badge in free words", {"detail": "a new badge"}),
    Example("product_set", "two of one product"),
    Example("table_scene", "a lamp on wood, with its shadow"),
    Example("printed_card", "the brand's printed look, a LoRA", look="brand-look"),
    Example(
        "catalogue_pack_shot",
        "flagged: purple is not among the brand's colors",
        {"object": "bag", "color": "purple"},
    ),
    Example(
        "hero_shot",
        "refused once it is painted: the words pass, the sign in the picture does not",
        {"object": "lamp", "color": "teal", "detail": "a warning badge"},
    ),
    Example(
        "hero_shot",
        "refused before anything is painted: the brand's rules name this word",
        {"object": "box", "color": "yellow", "detail": "a hazard sign"},
    ),
    Example(
        "in_another_light",
        "the demo's own picture on marble, an image that starts from a picture",
        starts_from_picture=True,
    ),
)


def order_once(*, now: datetime) -> int:
    """Order the examples as the demo's marketer, unless she ordered before; return how many.

    Seeds are fixed, so that everybody's first pictures are the same.
    """
    marketer, brand = people.get_actor_by_username(MARKETER), brands.find_brand_by_slug(BRAND)
    if brand is None or jobs.list_jobs(marketer, limit=1):
        return 0
    released = {
        version.slug: version
        for template in prompts.list_templates(marketer, brand_id=brand.id, released_only=True)
        if (version := template.released) is not None
    }
    # A pack of random weights for tests brings no looks.
    looks = registry.names_in_use([each.look for each in EXAMPLES if each.look])
    picture_id = photos.seed(marketer, brand.id, now)
    for number, example in enumerate(EXAMPLES):
        version = released[example.template]
        try:
            order.place(
                actor=marketer,
                template_id=version.template_id,
                variables={**version.content["starter"], **example.variables},
                variants=example.variants,
                seed=number * 100,
                idempotency_key=f"example-{number}",
                wish=Wish(
                    adapter=example.look if example.look in looks else None,
                    source_picture_id=picture_id if example.starts_from_picture else None,
                ),
                now=now,
            )
        except order.OrderRefused:
            # One of them is meant to be; its refusal is on record for its requester.
            continue
    return len(EXAMPLES)
