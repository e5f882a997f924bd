"""Commands about people, roles, keys and sign-in; each act is one transaction with its entry."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import StaleState
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.predicates import Context
from governance.policy.table import is_for_keys
from governance.sealing import services as sealing
from imprimatur.accounts import keys, selectors
from imprimatur.accounts.errors import (
    AlreadyBootstrapped,
    AlreadyGranted,
    TooManyAttempts,
    UsernameTaken,
    WrongPassword,
)
from imprimatur.accounts.models import ApiKey, Membership, SignInWindow, User
from imprimatur.accounts.records import KeyRecord, MembershipRecord, UserRecord

_USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])")
_NAME_LENGTH = 120
_KEY_NAME_LENGTH = 80
_LONGEST_KEY_LIFE = timedelta(days=366)
# How often a key's last use is noted at most, so that a busy integration does not always write.
_USE_NOTED_EVERY = timedelta(minutes=1)
# Sign-in is refused after so many failures within the window: by one address for one name, for one
# name from anywhere, and by one address for any names.
_WINDOW = timedelta(minutes=15)
_LIMITS = {"pair": 10, "name": 50, "address": 200}
_BOOTSTRAP_LOCK = 0x494D5052


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What is asked of a person at the start; the password is checked, hashed and forgotten."""

    username: str
    name: str
    password: str
    email: str | None = None


def bootstrap(
    *, actor: Actor, first: NewPerson, second: NewPerson, now: datetime
) -> tuple[UserRecord, UserRecord]:
    """Name the first two people, both platform admins, so that four eyes hold from the start.

    Raises: AlreadyBootstrapped if anybody exists; InvalidInput as create_user.
    """
    permits.require(actor, Permission.ACCOUNTS_PLATFORM_BOOTSTRAP, Context())
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_BOOTSTRAP_LOCK])
        if User.objects.exists():
            raise AlreadyBootstrapped(_("There are people already: an admin adds the others."))
        made = [_create(actor, person, now, is_platform_admin=True) for person in (first, second)]
    return made[0], made[1]


def create_user(
    *,
    actor: Actor,
    username: str,
    name: str,
    password: str,
    now: datetime,
    email: str | None = None,
) -> UserRecord:
    """Add a person, who can sign in and holds no role yet.

    Raises: InvalidInput, UsernameTaken, NotPermitted.
    """
    permits.require(actor, Permission.ACCOUNTS_USER_CREATE, Context())
    person = NewPerson(username=username, name=name, password=password, email=email)
    with transaction.atomic():
        return _create(actor, person, now, is_platform_admin=False)


def disable_user(*, actor: Actor, user_id: UUID, now: datetime) -> UserRecord:
    """Shut somebody else out: their sessions and keys are dead from the next request on."""
    permits.require(
        actor, Permission.ACCOUNTS_USER_DISABLE, Context(contributors=frozenset({user_id}))
    )
    return _switch(actor, user_id, now, is_active=False)


def enable_user(*, actor: Actor, user_id: UUID, now: datetime) -> UserRecord:
    """Let a disabled person in again."""
    permits.require(
        actor, Permission.ACCOUNTS_USER_ENABLE, Context(contributors=frozenset({user_id}))
    )
    return _switch(actor, user_id, now, is_active=True)


def change_password(
    *, actor: Actor, present_password: str, new_password: str, address: str, now: datetime
) -> UserRecord:
    """Give oneself a new password; every other session of the person ends, keys stay.

    Tries are counted as sign-ins are, from `address`: call it outside a transaction, or a refusal
    takes its count back. Raises: InvalidInput for a weak password, before anything is counted;
    TooManyAttempts, WrongPassword, NotPermitted (also for a key).
    """
    permits.require(actor, Permission.ACCOUNTS_PASSWORD_CHANGE, Context(owner_id=actor.id))
    user = _get(actor.id)
    _require_good_password(user, new_password, "/new_password")
    count_attempt(username=user.username, address=address, now=now)
    if not user.check_password(present_password):
        raise WrongPassword(
            _("This is not your present password."), pointer="/present_password", rule="wrong"
        )
    if new_password == present_password:
        raise InvalidInput(
            _("The new password is the present one."), pointer="/new_password", rule="same"
        )
    was = user.password
    user.set_password(new_password)
    with transaction.atomic():
        unchanged = User.objects.filter(pk=user.pk, password=was, is_active=True)
        if unchanged.update(password=user.password) != 1:
            raise StaleState(_("The password was changed elsewhere in this moment."))
        forget_attempts(username=user.username, address=address)
        ledger.append(
            actor=actor,
            event=Event.ACCOUNTS_PASSWORD_CHANGED,
            subject=SubjectRef(kind="user", id=user.id),
            now=now,
        )
    return selectors.user_record(user)


def check_password(*, actor: Actor, password: str, address: str, now: datetime) -> None:
    """Let pass whoever knows the actor's password; tries are counted as sign-ins are.

    Call it outside a transaction, or a refusal takes its count back.
    Raises: TooManyAttempts, WrongPassword.
    """
    user = _get(actor.id)
    count_attempt(username=user.username, address=address, now=now)
    if not (user.is_active and user.check_password(password)):
        raise WrongPassword(_("This is not your password."), pointer="/password", rule="wrong")
    forget_attempts(username=user.username, address=address)


def grant_role(
    *, actor: Actor, user_id: UUID, role: Role, now: datetime, brand_id: UUID | None = None
) -> MembershipRecord:
    """Give a role to somebody else: in one brand, or platform admin without a brand.

    Raises: AlreadyGranted, InvalidInput, NotFound, NotPermitted (also for oneself).
    """
    permits.require(
        actor,
        Permission.ACCOUNTS_MEMBERSHIP_GRANT,
        Context(brand_id=brand_id, contributors=frozenset({user_id})),
    )
    if (role is Role.PLATFORM_ADMIN) != (brand_id is None):
        raise InvalidInput(
            _("A platform admin's role names no brand, and every other role names one."),
            pointer="/brand_id",
            rule="brand",
        )
    with transaction.atomic():
        user = _get(user_id)
        if brand_id is None:
            record = _make_platform_admin(actor, user, now)
        else:
            record = _add_membership(actor, user, brand_id, role, now)
        ledger.append(
            actor=actor,
            event=Event.ACCOUNTS_MEMBERSHIP_GRANTED,
            subject=SubjectRef(kind="membership", id=record.id, brand_id=brand_id),
            now=now,
            facts={"user": str(user.id), "role": role.value},
        )
    return record


def revoke_role(*, actor: Actor, membership_id: UUID, now: datetime) -> MembershipRecord:
    """Take a role of a brand back from somebody else; it ends at once, for their keys too.

    Raises: NotFound if there is no such role held now; NotPermitted.
    """
    with transaction.atomic():
        membership = Membership.objects.filter(pk=membership_id, revoked_at__isnull=True).first()
        contributors = frozenset({membership.user_id} if membership else ())
        permits.require(
            actor, Permission.ACCOUNTS_MEMBERSHIP_REVOKE, Context(contributors=contributors)
        )
        held = Membership.objects.filter(pk=membership_id, revoked_at__isnull=True)
        if membership is None or held.update(revoked_at=now, revoked_by=actor.id) != 1:
            raise NotFound(_("There is no such role to revoke."))
        membership.revoked_at = now
        ledger.append(
            actor=actor,
            event=Event.ACCOUNTS_MEMBERSHIP_REVOKED,
            subject=SubjectRef(kind="membership", id=membership.id, brand_id=membership.brand_id),
            now=now,
            facts={"user": str(membership.user_id), "role": membership.role},
        )
    return selectors.membership_record(membership)


def create_key(
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    now: datetime,
    brand_id: UUID | None = None,
) -> tuple[KeyRecord, str]:
    """Make a key that acts as its maker within `scopes`; return it with its text, shown this once.

    Raises: InvalidInput for an unknown scope, one that only a person may use, or a bad expiry.
    """
    permits.require(actor, Permission.ACCOUNTS_KEY_CREATE, Context(owner_id=actor.id))
    _require_text(name, "/name", _KEY_NAME_LENGTH)
    granted = _checked_scopes(scopes)
    if not now < expires_at <= now + _LONGEST_KEY_LIFE:
        raise InvalidInput(
            _("A key ends in the future, within 366 days."), pointer="/expires_at", rule="range"
        )
    if brand_id is not None and not actor.roles.get(brand_id):
        raise InvalidInput(
            _("A key can only be limited to a brand in which you hold a role."),
            pointer="/brand_id",
            rule="member",
        )
    fresh = keys.make()
    with transaction.atomic():
        key = ApiKey.objects.create(
            user_id=actor.id,
            name=name,
            prefix=fresh.prefix,
            secret_sha256=fresh.sha256,
            scopes=granted,
            brand_id=brand_id,
            created_at=now,
            expires_at=expires_at,
        )
        ledger.append(
            actor=actor,
            event=Event.ACCOUNTS_KEY_CREATED,
            subject=SubjectRef(kind="key", id=key.id, brand_id=brand_id),
            now=now,
            facts={"prefix": key.prefix, "scopes": granted},
        )
    return selectors.key_record(key), fresh.text


def revoke_key(*, actor: Actor, key_id: UUID, now: datetime) -> KeyRecord:
    """End a key at once; revoking it again changes nothing and is not an error.

    Raises: NotFound, also for a key that is none of the actor's business.
    """
    with transaction.atomic():
        key = ApiKey.objects.filter(pk=key_id).first()
        if key is None or not permits.may(
            actor, Permission.ACCOUNTS_KEY_REVOKE, Context(owner_id=key.user_id)
        ):
            raise NotFound(_("There is no such key."))
        live = ApiKey.objects.filter(pk=key_id, revoked_at__isnull=True)
        if live.update(revoked_at=now) == 1:
            ledger.append(
                actor=actor,
                event=Event.ACCOUNTS_KEY_REVOKED,
                subject=SubjectRef(kind="key", id=key.id, brand_id=key.brand_id),
                now=now,
                facts={"prefix": key.prefix},
            )
        key.refresh_from_db()
    return selectors.key_record(key)


def authenticate_key(secret: str, now: datetime) -> Actor | None:
    """Return whom a key acts as; None if it is unknown, revoked, expired or its maker disabled."""
    prefix = keys.prefix_of(secret)
    key = ApiKey.objects.select_related("user").filter(prefix=prefix).first() if prefix else None
    if key is None or not keys.matches(secret, key.secret_sha256):
        return None
    if key.revoked_at is not None or key.expires_at <= now or not key.user.is_active:
        return None
    if key.last_used_at is None or key.last_used_at <= now - _USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(last_used_at=now)
    return selectors.actor_for_key(key)


def count_attempt(*, username: str, address: str, now: datetime) -> None:
    """Count one try at signing in before it is known to succeed, so parallel tries cannot pass.

    Raises: TooManyAttempts with `retry_after_s`.
    """
    for kind, digest in _windows(username, address):
        _open_window(digest, now)
        counted = SignInWindow.objects.filter(pk=digest, attempts__lt=_LIMITS[kind])
        if counted.update(attempts=F("attempts") + 1) != 1:
            opened_at = SignInWindow.objects.values_list("opened_at", flat=True).get(pk=digest)
            wait_s = max(1, int((opened_at + _WINDOW - now).total_seconds()))
            minutes = -(-wait_s // 60)
            raise TooManyAttempts(
                ngettext(
                    "Sign-in failed too often. Try again in %(minutes)d minute.",
                    "Sign-in failed too often. Try again in %(minutes)d minutes.",
                    minutes,
                )
                % {"minutes": minutes},
                retry_after_s=wait_s,
            )


def forget_attempts(*, username: str, address: str) -> None:
    """Take the failures of this name at this address off the count, after a success."""
    digests = dict(_windows(username, address))
    SignInWindow.objects.filter(pk=digests["pair"]).update(attempts=0)
    for kind in ("address", "name"):
        counted = SignInWindow.objects.filter(pk=digests[kind], attempts__gt=0)
        counted.update(attempts=F("attempts") - 1)


def prune_attempts(*, now: datetime) -> int:
    """Remove windows that have closed; return how many."""
    removed, _by_table = SignInWindow.objects.filter(opened_at__lte=now - _WINDOW).delete()
    return removed


def attempt_digest(kind: str, text: str) -> str:
    """Return a keyed digest of what was typed: people type passwords into the name field."""
    return salted_hmac(f"imprimatur.accounts.{kind}", text, algorithm="sha256").hexdigest()


def _windows(username: str, address: str) -> list[tuple[str, str]]:
    return [
        ("address", attempt_digest("address", address)),
        ("name", attempt_digest("name", username)),
        ("pair", attempt_digest("pair", f"{address} {username}")),
    ]


def _open_window(digest: str, now: datetime) -> None:
    """Have a window that is open at `now`: a new one, or a closed one started afresh."""
    SignInWindow.objects.get_or_create(pk=digest, defaults={"opened_at": now, "attempts": 0})
    closed = Q(opened_at__lte=now - _WINDOW)
    SignInWindow.objects.filter(closed, pk=digest).update(opened_at=now, attempts=0)


def _create(
    actor: Actor, person: NewPerson, now: datetime, *, is_platform_admin: bool
) -> UserRecord:
    if not _USERNAME.fullmatch(person.username):
        raise InvalidInput(
            _(
                "A user name has 2 to 40 lower-case letters, digits, dots and dashes, "
                "and starts and ends with a letter or digit."
            ),
            pointer="/username",
            rule="pattern",
        )
    _require_text(person.name, "/name", _NAME_LENGTH)
    user = User(id=uuid7(), username=person.username, created_at=now)
    user.is_platform_admin = is_platform_admin
    _require_good_password(user, person.password, "/password")
    user.set_password(person.password)
    user.name = sealing.seal(person_id=user.id, text=person.name, purpose=selectors.NAME_PURPOSE)
    if person.email:
        user.email = _sealed_email(user.id, person.email)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        if User.objects.filter(username=person.username).exists():
            raise UsernameTaken(
                _("Somebody has that user name already."), pointer="/username"
            ) from error
        raise
    ledger.append(
        actor=actor,
        event=Event.ACCOUNTS_USER_CREATED,
        subject=SubjectRef(kind="user", id=user.id),
        now=now,
        facts={"platform_admin": is_platform_admin},
        sealed={"name": user.name},
    )
    return selectors.user_record(user)


def _require_good_password(user: User, password: str, pointer: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), pointer=pointer, rule="password") from error


def _sealed_email(user_id: UUID, email: str) -> bytes:
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput(
            _("This is not an e-mail address."), pointer="/email", rule="email"
        ) from error
    return sealing.seal(person_id=user_id, text=email, purpose=selectors.EMAIL_PURPOSE)


def _switch(actor: Actor, user_id: UUID, now: datetime, *, is_active: bool) -> UserRecord:
    event = Event.ACCOUNTS_USER_ENABLED if is_active else Event.ACCOUNTS_USER_DISABLED
    with transaction.atomic():
        user = _get(user_id)
        changed = User.objects.filter(pk=user_id, is_active=not is_active)
        if changed.update(is_active=is_active) == 1:
            user.is_active = is_active
            subject = SubjectRef(kind="user", id=user_id)
            ledger.append(actor=actor, event=event, subject=subject, now=now)
    return selectors.user_record(user)


def _get(user_id: UUID) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no such person."))
    return user


def _make_platform_admin(actor: Actor, user: User, now: datetime) -> MembershipRecord:
    if User.objects.filter(pk=user.pk, is_platform_admin=False).update(is_platform_admin=True) != 1:
        raise AlreadyGranted(_("This person administers the platform already."))
    return MembershipRecord(
        id=user.id,
        user_id=user.id,
        brand_id=None,
        role=Role.PLATFORM_ADMIN,
        granted_by=actor.id,
        created_at=now,
        revoked_at=None,
    )


def _add_membership(
    actor: Actor, user: User, brand_id: UUID, role: Role, now: datetime
) -> MembershipRecord:
    held = Membership.objects.filter(
        user=user, brand_id=brand_id, role=role.value, revoked_at__isnull=True
    )
    try:
        with transaction.atomic():
            membership = Membership.objects.create(
                user=user, brand_id=brand_id, role=role.value, granted_by=actor.id, created_at=now
            )
    except IntegrityError as error:
        if held.exists():
            raise AlreadyGranted(_("This person holds the role already.")) from error
        raise NotFound(_("There is no such brand."), pointer="/brand_id") from error
    return selectors.membership_record(membership)


def _checked_scopes(scopes: Sequence[str]) -> list[str]:
    if not scopes:
        raise InvalidInput(_("A key needs at least one scope."), pointer="/scopes", rule="required")
    known = {permission.value: permission for permission in Permission}
    for index, scope in enumerate(scopes):
        pointer = f"/scopes/{index}"
        if scope not in known:
            raise InvalidInput(
                _("%(scope)s is not a permission.") % {"scope": scope[:60]},
                pointer=pointer,
                rule="enum",
            )
        if not is_for_keys(known[scope]):
            raise InvalidInput(
                _("%(scope)s is for people who are signed in; no key can have it.")
                % {"scope": scope},
                pointer=pointer,
                rule="person",
            )
    return sorted(set(scopes))


def _require_text(text: str, pointer: str, length: int) -> None:
    if not 1 <= len(text.strip()) <= length or not text.isprintable():
        raise InvalidInput(
            _("This needs 1 to %(length)d characters, none of them control characters.")
            % {"length": length},
            pointer=pointer,
            rule="text",
        )
