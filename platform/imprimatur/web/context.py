"""The frame of every page: who is here, which rooms they have, what waits; read only when shown."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from generation.jobs import selectors as jobs
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.roles import Role
from governance.notices import selectors as notices
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.refusals import selectors as refusals
from governance.review import selectors as review
from imprimatur.accounts import people
from imprimatur.accounts import selectors as accounts
from imprimatur.web import words
from imprimatur.web.screens import _shared, pictures
from imprimatur.web.views.session import THEME_COOKIE, THEMES

COUNTED = 10
# Who writes scoring policies, decides about them, or answers for what they let pass.
POLICY_ROLES = (
    Role.AUDITOR,
    Role.BRAND_MANAGER,
    Role.BRAND_REVIEWER,
    Role.COMPLIANCE_REVIEWER,
)


def portal(request: HttpRequest) -> dict[str, Any]:
    """Offer the frame as `portal`; a fragment that does not draw it costs no query."""
    return {"portal": SimpleLazyObject(lambda: _frame(request))}


def _frame(request: HttpRequest) -> dict[str, Any]:
    actor = people.find_actor_from_request(request)
    theme = request.COOKIES.get(THEME_COOKIE, "")
    theme = theme if theme in THEMES else ""
    return {
        "person": _person(request, actor) if actor else None,
        "rooms": _rooms(request, actor) if actor else [],
        "path": request.get_full_path() if request.method == "GET" else "/",
        "theme": theme,
        "languages": [
            {"code": code, "name": name, "is_current": code == get_language()}
            for code, name in settings.LANGUAGES
        ],
        "themes": [
            {"code": code, "name": name, "is_current": code == theme}
            for code, name in (("", _("System")), ("light", _("Light")), ("dark", _("Dark")))
        ],
    }


def _person(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    name = accounts.display_name(actor.id)
    known = _shared.brands_by_id(actor)
    places = [
        {
            "brand": _shared.brand_name(known, brand_id),
            "roles": ", ".join(sorted(words.role(role) for role in roles)),
        }
        for brand_id, roles in actor.roles.items()
    ]
    if actor.is_platform_admin:
        places.append({"brand": _("All brands"), "roles": words.role("platform_admin")})
    return {
        "name": name,
        "username": getattr(request.user, "username", ""),
        "initials": "".join(part[0] for part in name.split()[:2]).upper() or "?",
        "places": places,
    }


def _rooms(request: HttpRequest, actor: Actor) -> list[dict[str, Any]]:
    rooms: list[tuple[str, str, str, str]] = [("home", _("Home"), "home", "")]
    if actor.roles:
        rooms += [
            ("templates", _("Templates"), "templates", ""),
            ("pictures", _("Pictures"), "image", _waiting_pictures(actor)),
            ("orders", _("Orders"), "orders", ""),
            ("reviews", _("Reviews"), "review", _waiting(actor)),
            ("published", _("Published"), "send", ""),
            ("refusals", _("Refusals"), "flag", _waiting_appeals(actor)),
        ]
    if actor.brands(*POLICY_ROLES):
        rooms.append(("scoring-brands", _("Scoring"), "seal", ""))
    rooms.append(("notices", _("Notices"), "bell", _unread(actor)))
    if _shared.may_audit(actor):
        rooms.append(("ledger", _("Ledger"), "book", ""))
    return [
        {
            "url": (url := reverse(f"web:{name}")),
            "label": label,
            "icon": icon,
            "count": count,
            "is_current": request.path == url or (url != "/" and request.path.startswith(url)),
        }
        for name, label, icon, count in rooms
    ]


def _waiting(actor: Actor) -> str:
    """Return how many cases and held images wait for this person, counted up to nine."""
    if not _shared.may_review(actor):
        return ""
    waiting = len(review.list_cases(actor, decidable=True, limit=COUNTED))
    if waiting < COUNTED and _shared.may_decide_holds(actor):
        waiting = min(COUNTED, waiting + len(jobs.list_held(actor, limit=COUNTED)))
    return f"{COUNTED - 1}+" if waiting == COUNTED else str(waiting or "")


def _waiting_pictures(actor: Actor) -> str:
    """Return how many pictures wait for a data steward, counted up to nine."""
    waiting = pictures.waiting(actor, now=clock.now(), most=COUNTED)
    return f"{COUNTED - 1}+" if waiting == COUNTED else str(waiting or "")


def _waiting_appeals(actor: Actor) -> str:
    """Return how many appeals wait for this person, counted up to nine."""
    if not permits.brands_where(actor, Permission.REFUSALS_APPEAL_DECIDE):
        return ""
    waiting = len(refusals.list_appeals(actor, decidable=True, limit=COUNTED))
    return f"{COUNTED - 1}+" if waiting == COUNTED else str(waiting or "")


def _unread(actor: Actor) -> str:
    """Return how many notices the person has not read, counted up to nine."""
    unread = len(notices.list_notices(actor, unread=True, limit=COUNTED))
    return f"{COUNTED - 1}+" if unread == COUNTED else str(unread or "")
