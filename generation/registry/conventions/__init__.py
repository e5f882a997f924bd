"""Models that many use, as data: how each is usually run, what its licence permits, what to mind.

No digest stands here: an installation pins the files that it has, and its people approve those. A
fact that is not known is left out, never guessed: whoever adds the model states it then.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from generation.registry.errors import (
    ConventionMismatch,
    LicencePermitsMore,
    UnknownConvention,
)
from governance.kernel.errors import InvalidInput
from governance.licences.records import LicenceRecord, Terms
from governance.licences.states import Purpose

FOLDER = Path(__file__).parent

# What of a licence's terms a convention can speak of beside the purposes.
REVENUE = "revenue"


@dataclass(frozen=True, slots=True)
class Defaults:
    """How a model is usually run; None where that is not known. The first size is the usual one."""

    steps: int | None = None
    guidance: float | None = None
    max_sequence_length: int | None = None
    dtype: str | None = None
    sizes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class StatedLicence:
    """The licence that a model comes under; `text` says where its words are to be found."""

    identifier: str
    text: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Convention:
    """A full model as it is usually run; `licence` and `memory` are None where not known."""

    name: str
    title: str
    repository: str
    pipeline: str
    family: str
    defaults: Defaults
    cautions: tuple[str, ...]
    memory: str | None = None
    licence: StatedLicence | None = None


def list_names() -> tuple[str, ...]:
    """List the names of all conventions, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def read(name: str) -> Convention:
    """Read one convention. Raises: UnknownConvention if there is none of that name."""
    if name not in list_names():
        raise UnknownConvention(
            _("There is no convention named '%(name)s'. There is: %(names)s.")
            % {"name": name, "names": ", ".join(list_names())},
            pointer="/convention",
        )
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    defaults = data.pop("defaults")
    sizes = tuple((width, height) for width, height in defaults.pop("sizes", ()))
    return Convention(
        name=name,
        defaults=Defaults(**defaults, sizes=sizes),
        licence=_licence(data.pop("licence", None)),
        cautions=tuple(data.pop("cautions")),
        **data,
    )


def beyond(stated: Terms, recorded: Terms) -> tuple[str, ...]:
    """List what a licence on record permits and the stated one does not: purposes, then revenue.

    A limit in another currency cannot be compared, so it counts as more.

    >>> free = Terms(purposes=("research",))
    >>> beyond(free, Terms(purposes=("commercial", "research")))
    ('commercial',)
    >>> limited = Terms(("commercial",), (), Decimal(1000), "USD")
    >>> beyond(limited, Terms(("commercial",)))
    ('revenue',)
    >>> beyond(limited, Terms(("commercial",), (), Decimal(900), "USD"))
    ()
    """
    more = sorted(set(recorded.purposes) - set(stated.purposes))
    if stated.revenue_limit is not None and not (
        recorded.revenue_limit is not None
        and recorded.revenue_currency == stated.revenue_currency
        and recorded.revenue_limit <= stated.revenue_limit
    ):
        more.append(REVENUE)
    return tuple(more)


def hold(
    name: str, *, pipeline: str, licence: LicenceRecord, permits_more: bool
) -> dict[str, str | list[str]]:
    """Hold a proposal against the convention of that name; return what is to be kept with it.

    `permits_more` is whether the proposer says so of the licence on record. Without a name there
    is nothing to hold against. Raises: UnknownConvention, ConventionMismatch; LicencePermitsMore
    unless that was said; InvalidInput if it was said and is not so.
    """
    found = read(name) if name else None
    if found is not None and found.pipeline != pipeline:
        raise ConventionMismatch(
            _("The convention '%(name)s' is for a %(expected)s; this model is a %(pipeline)s.")
            % {"name": name, "expected": found.pipeline, "pipeline": pipeline},
            pointer="/convention",
        )
    stated = found.licence if found else None
    more = beyond(stated.terms, licence.terms) if stated else ()
    if permits_more and not more:
        raise InvalidInput(
            _("Nothing is known that the licence on record permits beyond the model's own."),
            pointer="/licence_permits_more",
            rule="unsupported",
        )
    if stated and more and not permits_more:
        raise LicencePermitsMore(
            _(
                "The licence on record (%(recorded)s) permits more than %(stated)s, which the "
                "convention '%(name)s' states for this model: %(more)s. Name another licence, or "
                "say that you have one that permits more."
            )
            % {
                "recorded": licence.identifier,
                "stated": stated.identifier,
                "name": name,
                "more": in_words(more),
            },
            pointer="/licence_id",
            more=list(more),
        )
    said: dict[str, str | list[str]] = {"convention": name} if name else {}
    return said | ({"licence_permits_more": list(more)} if more else {})


def in_words(terms: Iterable[str]) -> str:
    """Put into words what `beyond` found."""
    return ", ".join(
        _("a revenue above the limit") if term == REVENUE else str(Purpose(term).label)
        for term in terms
    )


def _licence(data: Mapping[str, Any] | None) -> StatedLicence | None:
    """Read what a convention says of the licence, if it says anything."""
    if data is None:
        return None
    limit: Mapping[str, str] = data.get("revenue_limit", {})
    return StatedLicence(
        identifier=data["identifier"],
        text=data["text"],
        terms=Terms(
            purposes=tuple(data["purposes"]),
            revenue_limit=Decimal(limit["amount"]) if limit else None,
            revenue_currency=limit.get("currency", ""),
        ),
    )
