"""Rights in what people bring in, version by version, and what rests on them; texts are sealed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.rights.states import NAMED, Basis, PeopleShown, RightsState
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class RightsRecord(Record):
    """One version of what is known of the rights in one subject's exact bytes.

    Who it is about and what it says never changes; only its state moves. Biometric use is a column
    so that its refusal stands on record.
    """

    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=RightsState.choices)
    owner = SealedField()
    basis = models.CharField(max_length=14, choices=Basis.choices)
    reference = SealedField(null=True)
    people_shown = models.CharField(max_length=6, choices=PeopleShown.choices)
    consent = SealedField(null=True)
    biometric_use = models.BooleanField(default=False)
    valid_from = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    evidence = SealedField(null=True)
    evidence_sha256 = models.CharField(max_length=64, blank=True)
    recorded_by = models.UUIDField()
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    withdrawn_by = models.UUIDField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdraw_reason = SealedField(null=True)

    class Meta:
        verbose_name = "rights record"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "number"], name="rights_number_is_unique"
            ),
            models.UniqueConstraint(
                name="rights_one_version_stands",
                fields=["subject_id"],
                condition=~Q(state=RightsState.REPLACED),
            ),
            models.CheckConstraint(
                name="rights_are_in_a_state", condition=Q(state__in=RightsState.values)
            ),
            models.CheckConstraint(name="rights_have_a_basis", condition=Q(basis__in=Basis.values)),
            models.CheckConstraint(
                name="rights_name_licence_or_contract",
                condition=~Q(basis__in=sorted(NAMED)) | Q(reference__isnull=False),
            ),
            models.CheckConstraint(
                name="rights_with_people_have_consent",
                condition=Q(people_shown=PeopleShown.NONE)
                | Q(
                    people_shown__in=[PeopleShown.ADULTS, PeopleShown.MINORS],
                    consent__isnull=False,
                ),
            ),
            models.CheckConstraint(name="rights_never_biometric", condition=Q(biometric_use=False)),
            models.CheckConstraint(
                name="rights_have_evidence",
                condition=Q(evidence__isnull=False) | Q(Exact(Length("evidence_sha256"), 64)),
            ),
            models.CheckConstraint(
                name="rights_end_after_they_begin",
                condition=Q(valid_from__isnull=True)
                | Q(expires_at__isnull=True)
                | Q(expires_at__gt=F("valid_from")),
            ),
            models.CheckConstraint(
                name="rights_confirmed_by_another",
                condition=Q(confirmed_by__isnull=True, confirmed_at__isnull=True)
                | (
                    Q(confirmed_by__isnull=False, confirmed_at__isnull=False)
                    & ~Q(confirmed_by=F("recorded_by"))
                ),
            ),
            models.CheckConstraint(
                name="rights_with_people_are_confirmed",
                condition=~Q(state=RightsState.IN_FORCE)
                | Q(people_shown=PeopleShown.NONE)
                | Q(confirmed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="rights_withdrawn_with_a_reason",
                condition=Q(
                    withdrawn_by__isnull=True,
                    withdrawn_at__isnull=True,
                    withdraw_reason__isnull=True,
                )
                & ~Q(state=RightsState.WITHDRAWN)
                | Q(
                    withdrawn_by__isnull=False,
                    withdrawn_at__isnull=False,
                    withdraw_reason__isnull=False,
                    state__in=[RightsState.WITHDRAWN, RightsState.REPLACED],
                ),
            ),
        ]
        indexes = [
            models.Index(name="rights_of_brand", fields=["brand_id", "state", "subject_id"]),
            models.Index(name="rights_ending", fields=["brand_id", "expires_at"]),
        ]

    def __str__(self) -> str:
        return f"rights {self.number} of {self.subject_id}"


class Use(Record):
    """That something rests on the rights in a subject, under the version that carried it."""

    record = models.ForeignKey(RightsRecord, models.PROTECT, related_name="uses")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    used_kind = models.CharField(max_length=32)
    used_id = models.UUIDField()
    used_by = models.UUIDField()

    class Meta:
        verbose_name = "use of a picture"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "used_kind", "used_id"], name="use_is_named_once"
            ),
        ]
        indexes = [models.Index(name="use_by", fields=["used_id"])]

    def __str__(self) -> str:
        return f"{self.used_kind} {self.used_id} rests on {self.subject_id}"
