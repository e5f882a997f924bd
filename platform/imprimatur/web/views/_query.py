"""What a query string may hold: a UUID or nothing; nonsense is no filter, not an error page."""

from uuid import UUID

from django.http import HttpRequest


def uuid_of(request: HttpRequest, name: str) -> UUID | None:
    """Return a UUID from the query string, or None."""
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None
