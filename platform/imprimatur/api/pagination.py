"""Keyset pages: the cursor is the last row's id, so no row is skipped or shown twice."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel.errors import InvalidInput

Row = TypeVar("Row")


def encode(last: UUID) -> str:
    """Write an id as an opaque cursor."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode(cursor: str) -> UUID:
    """Read a cursor. Raises: InvalidInput if it is none of ours.

    >>> decode(encode(UUID(int=7))).int
    7
    """
    try:
        found = UUID(bytes=base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(
            _("This cursor is not one of ours: take it from the page before."),
            parameter="cursor",
            rule="cursor",
        ) from error
    return found


def respond(
    request: Request,
    filters: dict[str, Any],
    output: type[serializers.Serializer],
    fetch: Callable[[UUID | None, int], Sequence[Row]],
) -> Response:
    """Answer one page of what `fetch(after, limit)` returns; one row more is asked for."""
    limit = filters["limit"]
    after = decode(filters["cursor"]) if "cursor" in filters else None
    rows = list(fetch(after, limit + 1))
    shown = rows[:limit]
    following = _next_url(request, shown[-1].id) if len(rows) > limit else None  # type: ignore[attr-defined]
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    body = {"items": output(shown, many=True).data, "next": following}
    return Response(body, headers=headers)


def slice_by_id(rows: Sequence[Row], after: UUID | None, limit: int) -> list[Row]:
    """Return the page of a list that is short by nature, in the order of its ids."""
    ordered = sorted(rows, key=lambda row: row.id)  # type: ignore[attr-defined]
    return [row for row in ordered if after is None or row.id > after][:limit]  # type: ignore[attr-defined]


def _next_url(request: Request, last: UUID) -> str:
    query = {**request.query_params.dict(), "cursor": encode(last)}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
