"""How the description names what is ours: the two ways to say who asks, and tidy names."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A key in the Authorization header."""

    target_class = "imprimatur.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        """Describe it."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of `POST /keys`, such as imp_….",
        }


class PersonScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A person's session with its CSRF token."""

    target_class = "imprimatur.api.authentication.PersonAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        """Describe it."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The cookie of `POST /session`; what changes something also carries the "
            "header X-CSRFToken.",
        }
