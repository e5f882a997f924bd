"""People, their roles per brand and their keys; a name stands sealed, a secret as its digest."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.sealing.fields import SealedField
from governance.tables.records import Record

BRAND_ROLES = [(role.value, role.value) for role in Role if role is not Role.PLATFORM_ADMIN]


class UserManager(BaseUserManager["User"]):
    """Finds people by user name, for sign-in; nobody is made here, only by the services."""


class User(AbstractBaseUser):
    """A person who can sign in: a pseudonymous `username`, with name and e-mail sealed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(max_length=40, unique=True)
    name = SealedField()
    email = SealedField(null=True)
    is_active = models.BooleanField(default=True)
    is_platform_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.username


class Membership(Record):
    """One role that a person holds in one brand until it is revoked, granted by somebody else."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    brand_id = models.UUIDField()
    role = models.CharField(max_length=32, choices=BRAND_ROLES)
    granted_by = models.UUIDField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="membership_is_held_once",
                fields=["user", "brand_id", "role"],
                condition=Q(revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="membership_granted_by_another", condition=~Q(user_id=F("granted_by"))
            ),
            models.CheckConstraint(
                name="membership_role_is_a_brands",
                condition=Q(role__in=[value for value, _ in BRAND_ROLES]),
            ),
            models.CheckConstraint(
                name="membership_revoked_by_somebody",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"membership {self.id}"


class ApiKey(Record):
    """A key with which an integration acts as its maker, within scopes and perhaps one brand."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = models.JSONField()
    brand_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="apikey_expires_after_it_is_made", condition=Q(expires_at__gt=F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"key {self.prefix}"


class SignInWindow(models.Model):
    """How often sign-in failed since `opened_at` for the digest of a name, an address or both."""

    key = models.CharField(max_length=64, primary_key=True)
    opened_at = models.DateTimeField()
    attempts = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.key
