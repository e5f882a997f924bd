"""What can be wrong with a request itself, before any domain is asked; each has its own page."""

from governance.kernel.errors import DomainError


class AnswerErased(DomainError):
    """The first answer under this Idempotency-Key was erased with its person's texts."""

    code = "answer_erased"
    status = 409


class CsrfFailed(DomainError):
    """The request came with a session but without its CSRF token."""

    code = "csrf_failed"
    status = 403


class IdempotencyKeyInFlight(DomainError):
    """A request with this Idempotency-Key is being worked on: ask again in a moment."""

    code = "idempotency_key_in_flight"
    status = 409


class IdempotencyKeyMissing(DomainError):
    """A request that creates something carries an Idempotency-Key, to be sent twice safely."""

    code = "idempotency_key_missing"
    status = 400


class IdempotencyKeyReused(DomainError):
    """This Idempotency-Key was used for a different request: a new request needs a new key."""

    code = "idempotency_key_reused"
    status = 422


class InvalidCredentials(DomainError):
    """The API key is unknown, revoked or expired, or its maker may no longer sign in."""

    code = "invalid_credentials"
    status = 401


class MalformedForm(DomainError):
    """The body is not the multipart/form-data that it says it is, or has too many parts."""

    code = "malformed_form"
    status = 400


class MalformedJson(DomainError):
    """The body is not one JSON object in UTF-8, or nests deeper than any request of ours does."""

    code = "malformed_json"
    status = 400


class PayloadTooLarge(DomainError):
    """The body is larger than any request of ours needs to be."""

    code = "payload_too_large"
    status = 413
