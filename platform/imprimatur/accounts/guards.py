"""What the database refuses about people: nobody vanishes, no grant and no key is rewritten."""

from governance.tables.guards import composite_key, frozen, never_deleted, refuse_when

_BRAND_IS_UNKNOWN = (
    "NEW.brand_id IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM brands_brand WHERE brands_brand.id = NEW.brand_id)"
)

GUARDS = (
    never_deleted("accounts_user"),
    frozen("accounts_user", "id", "created_at"),
    never_deleted("accounts_membership"),
    frozen("accounts_membership", "id", "user_id", "brand_id", "role", "granted_by", "created_at"),
    composite_key("accounts_membership", ("brand_id",), "brands_brand", ("id",)),
    refuse_when(
        "accounts_membership_stays_revoked",
        "accounts_membership",
        event="UPDATE",
        condition="OLD.revoked_at IS NOT NULL",
        message="a revoked membership stays revoked",
    ),
    never_deleted("accounts_apikey"),
    frozen(
        "accounts_apikey",
        "id",
        "user_id",
        "prefix",
        "secret_sha256",
        "scopes",
        "brand_id",
        "expires_at",
        "created_at",
    ),
    refuse_when(
        "accounts_apikey_brand_exists",
        "accounts_apikey",
        event="INSERT",
        condition=_BRAND_IS_UNKNOWN,
        message="brand_id of accounts_apikey must name a brand",
    ),
    refuse_when(
        "accounts_apikey_stays_revoked",
        "accounts_apikey",
        event="UPDATE",
        condition="OLD.revoked_at IS NOT NULL",
        message="a revoked key stays revoked",
    ),
)

# People, their grants, keys and sessions are web's: who writes these can be anybody, and who reads
# a session can be that person.
_WEB = frozenset({"reviewer"})
READERS = {"django_session": _WEB}
WRITERS = dict.fromkeys(
    (
        "accounts_user",
        "accounts_membership",
        "accounts_apikey",
        "accounts_signinwindow",
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
        "django_session",
    ),
    _WEB,
)
# The relay forgets old windows of sign-in.
CHANGERS = {"accounts_signinwindow": frozenset({"reviewer", "sequencer"})}
