"""Hints for the broker: each is written with the change that causes it; only the relay sends."""

from django.db import models
from django.db.models.functions import Now

from governance.kernel.ids import uuid7


class Outbox(models.Model):
    """One hint: which task to start, on which queue, with which ids; not evidence, so it is pruned.

    Its times come from the database's clock, because they are compared with each other by several
    processes: a row is due when `due_at` has passed, and a relay that takes it moves `due_at` on.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    task = models.CharField(max_length=100)
    queue = models.CharField(max_length=100)
    kwargs = models.JSONField()
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="outbox_names_task_and_queue",
                condition=~models.Q(task="") & ~models.Q(queue=""),
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="outbox_waiting",
                condition=models.Q(sent_at__isnull=True),
            ),
            models.Index(
                fields=["sent_at"],
                name="outbox_sent",
                condition=models.Q(sent_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"
