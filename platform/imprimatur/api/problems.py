"""Every failure as an RFC 9457 problem document, mapped here once; each code has its page.

An anticipated failure says what to do about it; an unanticipated one says nothing of the inside.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from governance.kernel.errors import DomainError
from imprimatur.api.errors import MalformedForm

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="imprimatur"'
UNAVAILABLE_RETRY_S = 5

# Failures that the framework raises, not a DomainError of ours: code → what it means.
FRAMEWORK_CODES = {
    "internal_error": "Something failed on our side; the request's id leads an operator to it.",
    "method_not_allowed": "The address exists, but not for this method; Allow lists those it has.",
    "not_authenticated": "Nobody is signed in, and no key came with the request.",
    "not_found": "Nothing by that name exists, or you may not see it; the two read the same.",
    "permission_denied": "You are signed in, but may not do this.",
    "throttled": "Too many requests; Retry-After says when to try again.",
    "unavailable": "The database does not answer right now; the same request may be sent again.",
    "unsupported_media_type": "The body must be application/json; a picture's, a form.",
}

log = structlog.get_logger(__name__)


class ProblemDetail(serializers.Serializer):
    """One offending part of the request: where it is, and which rule it breaks."""

    pointer = serializers.CharField(
        required=False, help_text="RFC 6901 JSON Pointer into the request's body."
    )
    parameter = serializers.CharField(required=False, help_text="Name of the query parameter.")
    header = serializers.CharField(required=False, help_text="Name of the header.")
    rule = serializers.CharField(help_text="The rule that it breaks, in one stable word.")
    detail = serializers.CharField()


class Problem(serializers.Serializer):
    """An RFC 9457 problem document."""

    type = serializers.CharField(help_text="Address of the page that explains this code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A full sentence, fit for the user.")
    code = serializers.CharField(help_text="Stable; branch on this one.")
    errors = ProblemDetail(many=True, required=False)  # type: ignore[assignment]
    facts = serializers.DictField(
        required=False, help_text="What the code is about, such as a balance or a refusal's id."
    )


def handle(error: Exception, _context: Mapping[str, Any]) -> Response:
    """Map any exception of a view to a problem document; Django REST Framework calls this."""
    if isinstance(error, DomainError):
        return from_domain_error(error)
    if isinstance(error, exceptions.APIException):
        return _from_framework(error)
    for kind, status, code, detail in _djangos():
        if isinstance(error, kind):
            return respond(status, code, detail)
    if isinstance(error, OperationalError | InterfaceError):
        log.error("Unable to reach the database", exc_info=error)
        detail = _("The service is not available at this moment. Send the same request again.")
        return respond(503, "unavailable", detail, headers=_retry_after(UNAVAILABLE_RETRY_S))
    return failed(error)


def failed(error: Exception) -> Response:
    """Record an unanticipated failure, and answer without a word of it."""
    log.error("Unable to answer a request", exc_info=error)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return respond(
        500,
        "internal_error",
        _("Something went wrong on our side. An operator can find it by the request's id."),
        facts={"request_id": request_id} if request_id else None,
    )


def from_domain_error(error: DomainError) -> Response:
    """Map an anticipated failure: its status, its sentence, its pointer and its facts."""
    facts = dict(error.facts)
    rule = facts.pop("rule", None)
    found: dict[str, Any] = {}
    for name in ("parameter", "header"):
        if name in facts:
            found[name] = facts.pop(name)
    if error.pointer is not None:
        found["pointer"] = error.pointer
    if found:
        found |= {"rule": str(rule or error.code), "detail": error.detail}
    retry_after_s = facts.get("retry_after_s")
    return respond(
        error.status,
        error.code,
        error.detail,
        errors=[found] if found else None,
        facts=facts,
        headers=_retry_after(retry_after_s) if isinstance(retry_after_s, int) else None,
    )


def invalid(errors: list[dict[str, str]]) -> Response:
    """Answer a request whose parts break rules, naming each part and its rule."""
    detail = (
        errors[0]["detail"]
        if len(errors) == 1
        else _("%(count)d parts of the request are not valid.") % {"count": len(errors)}
    )
    return respond(400, "invalid_input", detail, errors=errors)


def respond(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    facts: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the document and its headers."""
    body: dict[str, Any] = {
        "type": reverse("api:problem", args=[code]),
        "title": title_of(code),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = errors
    if facts:
        body["facts"] = {name: _plain(value) for name, value in facts.items()}
    every = {"Cache-Control": "no-store", **(headers or {})}
    if status == HTTPStatus.UNAUTHORIZED:
        every.setdefault("WWW-Authenticate", CHALLENGE)
    return Response(body, status=status, headers=every, content_type=MEDIA_TYPE)


def title_of(code: str) -> str:
    """Return a code as words.

    >>> title_of("quota_exceeded")
    'Quota exceeded'
    """
    return code.replace("_", " ").capitalize()


def catalogue() -> dict[str, str]:
    """Return what each code means, from the errors' own docstrings, by code."""
    found = dict(FRAMEWORK_CODES)
    for kind in _subclasses(DomainError):
        found.setdefault(kind.code, (kind.__doc__ or "").strip().split("\n\n")[0])
    return dict(sorted(found.items()))


@require_safe
def page(request: HttpRequest, code: str) -> HttpResponse:
    """Show the page that a problem document's `type` names."""
    meaning = catalogue().get(code)
    if meaning is None:
        raise Http404
    context = {"code": code, "title": title_of(code), "meaning": " ".join(meaning.split())}
    return render(request, "api/problem.html", context)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show every code with its meaning."""
    codes = [
        {"code": code, "title": title_of(code), "meaning": " ".join(meaning.split())}
        for code, meaning in catalogue().items()
    ]
    return render(request, "api/problems.html", {"codes": codes})


def flatten(detail: Any, at: str = "") -> Iterator[dict[str, str]]:
    """Yield one error for each leaf of a serializer's nested errors, with its JSON Pointer."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else f"/{_escaped(str(name))}"
            yield from flatten(inner, at + step)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from flatten(inner, f"{at}/{index}" if nested else at)
    elif detail:
        rule = str(getattr(detail, "code", "invalid"))
        yield {"pointer": at, "rule": rule, "detail": str(detail)}


def _djangos() -> Iterator[tuple[type[Exception], int, str, str]]:
    yield Http404, 404, "not_found", _("There is nothing at this address.")
    yield PermissionDenied, 403, "permission_denied", _("You may not do this.")
    yield RequestDataTooBig, 413, "payload_too_large", _("The request is too large.")
    for kind in (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent):
        yield kind, 400, MalformedForm.code, _("The body is not a form that can be read.")


def _from_framework(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        return invalid(list(flatten(error.detail)))
    codes = {405: "method_not_allowed", 401: "not_authenticated", 404: "not_found"}
    code = codes.get(error.status_code, str(error.default_code))
    headers = {}
    wait: float | None = getattr(error, "wait", None)
    if wait is not None:
        headers = _retry_after(int(wait) + 1)
    return respond(error.status_code, code, str(error.detail), headers=headers)


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _subclasses(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _plain(value: object) -> Any:
    """Return what JSON can hold; facts are ids, numbers and words."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return str(value)
