"""Requests that were sent under an Idempotency-Key, and their first answers, sealed."""

from django.db import models

from governance.sealing.fields import SealedField
from governance.tables.records import Record


class IdempotentRequest(Record):
    """One actor's request under one key; `answer` is set once, with what the request did."""

    actor_id = models.UUIDField()
    key_sha256 = models.CharField(max_length=64)
    request_sha256 = models.CharField(max_length=64)
    epoch = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    answer = SealedField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotent_request_once_per_key", fields=["actor_id", "key_sha256"]
            ),
            models.CheckConstraint(
                name="idempotent_request_is_answered_whole",
                condition=models.Q(status__isnull=True, answer__isnull=True)
                | models.Q(status__isnull=False, answer__isnull=False),
            ),
        ]
        indexes = [models.Index(name="idempotent_request_by_age", fields=["created_at"])]

    def __str__(self) -> str:
        return f"request {self.id}"
