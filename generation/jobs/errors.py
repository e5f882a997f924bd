"""What can go wrong in the life of a job that people or workers must tell apart."""

from governance.kernel.errors import DomainError


class LeaseLost(DomainError):
    """Another worker holds the item, or it is over: this worker's result is not wanted."""

    code = "lease_lost"
    status = 409


class KeyUsed(DomainError):
    """The idempotency key was used for another order."""

    code = "idempotency_key_used"
    status = 422


class ReasonRequired(DomainError):
    """A decision on a held image was given without its reason."""

    code = "reason_required"
    status = 422


class NotOverridden(DomainError):
    """The image's refusal stands: only an override sends it into review."""

    code = "not_overridden"
    status = 409


class PromptErased(DomainError):
    """The requester's texts were erased: the prompt can no longer be read, so nothing is made."""

    code = "prompt_erased"
    status = 409


class RecipeUnreadable(DomainError):
    """The recipe of an image lacks what a replay needs, or is not the one that was recorded."""

    code = "recipe_unreadable"
    status = 409


class NotReplayable(DomainError):
    """The image was made where this installation cannot make it again."""

    code = "not_replayable"
    status = 409


class TooManyReplays(DomainError):
    """The person asked for as many replays as one may within an hour."""

    code = "too_many_replays"
    status = 429


class TookTooLong(DomainError):
    """An image took longer than this installation allows, so it was given up."""

    code = "took_too_long"
