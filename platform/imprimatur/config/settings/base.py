"""Production: every value comes from the environment, and an unsafe or missing one is no start."""

from pathlib import Path

from imprimatur.config import logs
from imprimatur.config.env import (
    env_bool,
    env_database,
    env_decimal,
    env_int,
    env_list,
    env_path,
    env_secret,
    env_str,
    read_env_file,
)

ROOT = Path(__file__).resolve().parents[4]
read_env_file(ROOT / ".env")

# The folder for what the installation writes itself: blobs, models, keys of a single machine.
VAR = env_path("IMPRIMATUR_VAR", ROOT / "var")
# Signs sessions and CSRF tokens; at least 50 random characters.
SECRET_KEY = env_secret("SECRET_KEY")
# Never true in production: tracebacks are for the log.
DEBUG = False
# The host names that people and integrations use, comma-separated.
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS")
# Origins (scheme and host) from which forms are accepted, comma-separated.
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", [])

# The login of this process's own role: it owns nothing, and may write only what its process writes.
DATABASES = {"default": env_database("DATABASE_URL")}
# The migrating role, present only where migrations run (`migrate --database owner`).
if env_secret("DATABASE_OWNER_URL", ""):
    DATABASES["owner"] = env_database("DATABASE_OWNER_URL", bounded=False)
# What the names of the database's roles begin with; "app", "reviewer" and so on come after it.
DATABASE_ROLES = env_str("DATABASE_ROLES", "imprimatur_")
DATABASE_ROLE_PASSWORDS = {
    # The password that `roles --apply` gives the worker's role; set only where that runs.
    "app": env_secret("DATABASE_APP_PASSWORD", ""),
    # The same for the role of web, where people decide.
    "reviewer": env_secret("DATABASE_REVIEWER_PASSWORD", ""),
    # The same for the publisher's role.
    "publisher": env_secret("DATABASE_PUBLISHER_PASSWORD", ""),
    # The same for the relay's role.
    "sequencer": env_secret("DATABASE_SEQUENCER_PASSWORD", ""),
    # The same for the role of auditors, who read and write nothing.
    "auditor": env_secret("DATABASE_AUDITOR_PASSWORD", ""),
}
# Whether a process starts only as its own role; only tests and development loosen it.
REQUIRE_OWN_ROLE = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "imprimatur.config",
    "imprimatur.web",
    "imprimatur.api",
    "imprimatur.publishing",
    "imprimatur.accounts",
    "generation.jobs",
    "generation.pictures",
    "generation.assets",
    "generation.registry",
    "templates.prompts",
    "templates.brands",
    "governance.release",
    "governance.review",
    "governance.quota",
    "governance.refusals",
    "governance.licences",
    "governance.rights",
    "governance.ledger",
    "governance.notices",
    "governance.outbox",
    "governance.sealing",
    "governance.tables",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_structlog",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "imprimatur.config.csp.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]
ROOT_URLCONF = "imprimatur.config.urls"
ASGI_APPLICATION = "imprimatur.config.asgi.application"
WSGI_APPLICATION = "imprimatur.config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "imprimatur.web.context.portal",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "web:sign-in"
LOGIN_REDIRECT_URL = "web:home"
CSRF_FAILURE_VIEW = "imprimatur.web.views.errors.csrf_failed"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [ROOT / "platform" / "imprimatur" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "blobs": {
        "BACKEND": "generation.assets.files.WholeFileStorage",
        "OPTIONS": {"location": str(VAR / "blobs"), "file_permissions_mode": 0o640},
    },
}
# The bucket that holds the images by their sha256; empty: files under IMPRIMATUR_VAR/blobs.
BLOBS_S3_BUCKET = env_str("BLOBS_S3_BUCKET", "")
if BLOBS_S3_BUCKET:
    STORAGES["blobs"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": BLOBS_S3_BUCKET,
            # The address of the S3 service that has this bucket.
            "endpoint_url": env_str("BLOBS_S3_ENDPOINT"),
            # The key that may read and write this bucket, and nothing else.
            "access_key": env_secret("BLOBS_S3_ACCESS_KEY"),
            # The secret of that key.
            "secret_key": env_secret("BLOBS_S3_SECRET_KEY"),
            "addressing_style": "path",
            "file_overwrite": False,
        },
    }

# The message broker that carries hints from the relay to workers and publisher.
CELERY_BROKER_URL = env_secret("CELERY_BROKER_URL")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "visibility_timeout": 3600,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# However long the broker is away, a worker waits for it.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Hints only: acknowledged at once, no results kept; the row in the database is the truth.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "unrouted"

# The folder of model folders; a profile names one below it.
MODELS_FOLDER = env_path("MODELS_FOLDER", VAR / "models")
# The file with the 32 bytes that wrap every person's key (0600); web, worker and publisher read it.
SEALING_KEY_FILE = env_path("SEALING_KEY_FILE", VAR / "keys" / "sealing" / "kek")
# The relay's folder: checkpoint key and memory of the last checkpoint. Nobody else mounts it.
CHECKPOINT_KEY_FOLDER = env_path("CHECKPOINT_KEY_FOLDER", VAR / "keys" / "relay")
# The publisher's folder: C2PA leaf key and chain, destination credentials. Nobody else mounts it.
PUBLISHER_KEY_FOLDER = env_path("PUBLISHER_KEY_FOLDER", VAR / "keys" / "publisher")
# Public parts that anybody may read: ledger.vkey (checks checkpoints), anchors.pem (checks marks).
PUBLIC_KEY_FOLDER = env_path("PUBLIC_KEY_FOLDER", VAR / "keys" / "public")
# The name of this installation's log, the first line of every checkpoint (C2SP origin).
LEDGER_ORIGIN = env_str("LEDGER_ORIGIN", "imprimatur.local/ledger")
# Witnesses that cosign each checkpoint, comma-separated: address, a space, file with their keys.
LEDGER_WITNESSES = env_list("LEDGER_WITNESSES", [])
# Seconds between two requests for cosignatures while there is something new.
LEDGER_WITNESS_EVERY_S = env_int("LEDGER_WITNESS_EVERY_S", 10)
# Where the ledger is published as tiles:
# an absolute folder, or s3://bucket/prefix; empty: nowhere.
LEDGER_TILES_PLACE = env_str("LEDGER_TILES_PLACE", "")
LEDGER_TILES_S3: dict[str, str] = {}
if LEDGER_TILES_PLACE.startswith("s3://"):
    LEDGER_TILES_S3 = {
        # The address of the S3 service that has the bucket for the ledger's tiles.
        "endpoint": env_str("LEDGER_TILES_S3_ENDPOINT"),
        # The region of that service.
        "region": env_str("LEDGER_TILES_S3_REGION", "us-east-1"),
        # The key that may read and write in this bucket, and nothing else.
        "access_key": env_secret("LEDGER_TILES_S3_ACCESS_KEY"),
        # The secret of that key.
        "secret_key": env_secret("LEDGER_TILES_S3_SECRET_KEY"),
    }
# Seconds between two publications of the tiles while there is something new.
LEDGER_TILES_EVERY_S = env_int("LEDGER_TILES_EVERY_S", 10)
# Where the ledger's checkpoints are anchored, out of reach of the database's owner:
# an absolute folder, or s3://bucket/prefix; empty: nowhere.
LEDGER_ANCHOR_PLACE = env_str("LEDGER_ANCHOR_PLACE", "")
LEDGER_ANCHOR_S3: dict[str, str] = {}
if LEDGER_ANCHOR_PLACE.startswith("s3://"):
    LEDGER_ANCHOR_S3 = {
        # The address of the S3 service that has the bucket for the anchors.
        "endpoint": env_str("LEDGER_ANCHOR_S3_ENDPOINT"),
        # The region of that service.
        "region": env_str("LEDGER_ANCHOR_S3_REGION", "us-east-1"),
        # The key that may read and write in this bucket, and nothing else.
        "access_key": env_secret("LEDGER_ANCHOR_S3_ACCESS_KEY"),
        # The secret of that key.
        "secret_key": env_secret("LEDGER_ANCHOR_S3_SECRET_KEY"),
    }
# Seconds between two anchors while there is something new.
LEDGER_ANCHOR_EVERY_S = env_int("LEDGER_ANCHOR_EVERY_S", 60)
# Days for which the bucket's Object Lock holds each anchor.
LEDGER_ANCHOR_KEEP_DAYS = env_int("LEDGER_ANCHOR_KEEP_DAYS", 3650)
# Where the ledger's entries are delivered as JSON lines:
# an absolute folder, or s3://bucket/prefix; empty: nowhere.
LEDGER_EVENTS_PLACE = env_str("LEDGER_EVENTS_PLACE", "")
LEDGER_EVENTS_S3: dict[str, str] = {}
if LEDGER_EVENTS_PLACE.startswith("s3://"):
    LEDGER_EVENTS_S3 = {
        # The address of the S3 service that has the bucket for the events.
        "endpoint": env_str("LEDGER_EVENTS_S3_ENDPOINT"),
        # The region of that service.
        "region": env_str("LEDGER_EVENTS_S3_REGION", "us-east-1"),
        # The key that may read and write in this bucket, and nothing else.
        "access_key": env_secret("LEDGER_EVENTS_S3_ACCESS_KEY"),
        # The secret of that key.
        "secret_key": env_secret("LEDGER_EVENTS_S3_SECRET_KEY"),
    }
# Seconds between two deliveries of events while there is something new; the promise is 60.
LEDGER_EVENTS_EVERY_S = env_int("LEDGER_EVENTS_EVERY_S", 30)
# The folders below which a folder destination may point, comma-separated.
DESTINATION_ROOTS = [
    Path(p).resolve() for p in env_list("DESTINATION_ROOTS", [str(VAR / "published")])
]

# The S3 service that the demo also publishes to; empty: folder only.
DEMO_S3_ENDPOINT = env_str("DEMO_S3_ENDPOINT", "")
# The bucket there.
DEMO_S3_BUCKET = env_str("DEMO_S3_BUCKET", "imprimatur-demo")
# The key with which the demo reaches that service; `keys` writes it to the publisher's folder.
DEMO_S3_ACCESS_KEY = env_secret("DEMO_S3_ACCESS_KEY", "")
# The secret of that key.
DEMO_S3_SECRET_KEY = env_secret("DEMO_S3_SECRET_KEY", "")

# Seconds that a worker holds an item without a sign of life before another may take it.
LEASE_S = env_int("LEASE_S", 30)
# How often one item is tried before it fails for good.
ITEM_ATTEMPTS = env_int("ITEM_ATTEMPTS", 3)
# Milliseconds between two rounds of the relay when there is nothing to do.
RELAY_INTERVAL_MS = env_int("RELAY_INTERVAL_MS", 25)
# Seconds between two checkpoints of the ledger while there is something new; the promise is 15.
CHECKPOINT_EVERY_S = env_int("CHECKPOINT_EVERY_S", 2)
# Seconds after which a hint that led to nothing is sent again.
HINT_AGAIN_S = env_int("HINT_AGAIN_S", 15)
# Seconds after which the release of an approval is tried again.
RELEASE_AGAIN_S = env_int("RELEASE_AGAIN_S", 2)
# Seconds after which a person gives their password again before a decision or a withdrawal.
REAUTHENTICATE_AFTER_S = env_int("REAUTHENTICATE_AFTER_S", 900)
# Minutes for which a reviewer who looks at a case keeps its place; looking again renews it.
CLAIM_MIN = env_int("CLAIM_MIN", 15)
# Cases below this risk (0..100) may be approved many at once; the others one by one.
BULK_RISK_BELOW = env_int("BULK_RISK_BELOW", 40)
# What images are made for; a model's licence must permit it: commercial, internal, research,
# education.
PURPOSE = env_str("PURPOSE", "commercial")
# Seconds between the confirmation of a break-glass and its use; `migrate` sets it in the database.
BREAK_GLASS_COUNTDOWN_S = env_int("BREAK_GLASS_COUNTDOWN_S", 900)
# Seconds after its use within which a third person judges a break-glass.
BREAK_GLASS_JUDGE_WITHIN_S = env_int("BREAK_GLASS_JUDGE_WITHIN_S", 86_400)
# Days after which what people were told is removed, read or not.
NOTICES_KEPT_D = env_int("NOTICES_KEPT_D", 90)
# What one second of a device's work costs this installation, for estimates; empty: not said.
PRICE_PER_GPU_SECOND = env_decimal("PRICE_PER_GPU_SECOND", "")
# What a hosted service asks for one image, to compare with; empty: not said.
HOSTED_PRICE_PER_IMAGE = env_decimal("HOSTED_PRICE_PER_IMAGE", "")
# The currency of both prices, as three letters (ISO 4217).
PRICE_CURRENCY = env_str("PRICE_CURRENCY", "EUR")
# Minutes between two checks of the quota's books by the relay.
QUOTA_CHECK_EVERY_MIN = env_int("QUOTA_CHECK_EVERY_MIN", 5)
# Seconds between two looks round each destination for what no record explains.
RECONCILE_EVERY_S = env_int("RECONCILE_EVERY_S", 3600)
# The most previews of orders that one person may ask one web process for in a minute.
PREVIEWS_A_MINUTE = env_int("PREVIEWS_A_MINUTE", 240)
# Whether an image that is the same as an earlier one of its requester, down to the seed, counts
# against quotas although nothing is rendered for it.
REUSED_IMAGES_COUNT = env_bool("REUSED_IMAGES_COUNT", default=False)
# The most replays of images that one person may ask for in an hour.
REPLAYS_AN_HOUR = env_int("REPLAYS_AN_HOUR", 20)
# The most variants that one order may ask for.
MAX_VARIANTS = env_int("MAX_VARIANTS", 8)
# Days for which an overridden prompt may still be ordered, once and word for word.
PASS_DAYS = env_int("PASS_DAYS", 7)
# The function that turns a user name into an Actor, for commands that act as somebody.
ACTOR_BY_USERNAME = "imprimatur.accounts.selectors.get_actor_by_username"
# The workers' folder: credentials of endpoints that images are made at, one file each, mode 0600.
WORKER_KEY_FOLDER = env_path("WORKER_KEY_FOLDER", VAR / "keys" / "worker")
# A file of certificate authorities that vouch for endpoints inside the perimeter; empty: the usual
# ones only.
ENDPOINT_CA_FILE = env_str("ENDPOINT_CA_FILE", "")
# The device that this worker renders on ("cpu", "cuda"); it consumes the queue of the same name.
WORKER_DEVICE = env_str("WORKER_DEVICE", "cpu")
# How many threads a render uses; part of the recipe, because it changes the last bits.
WORKER_THREADS = env_int("WORKER_THREADS", 1)
# GiB of the graphics device that loaded models may take together; empty: 70 % of what it has.
WORKER_DEVICE_MODELS_GIB = env_decimal("WORKER_DEVICE_MODELS_GIB", "")
# GiB of the machine's memory that loaded models may take together; empty: 70 % of what it has.
WORKER_HOST_MODELS_GIB = env_decimal("WORKER_HOST_MODELS_GIB", "")
# MiB of embeddings of prompts that a worker keeps for further images of the same words; 0: none.
WORKER_PROMPTS_MB = env_int("WORKER_PROMPTS_MB", 256)
# The port of its own machine on which a worker serves its metrics; 0: none.
WORKER_METRICS_PORT = env_int("WORKER_METRICS_PORT", 0)
# What Prometheus brings as a bearer token to web's /metrics; empty: nobody reads them.
METRICS_TOKEN = env_secret("METRICS_TOKEN", "")
# How many threads judge, encode, store and record what the device rendered, beside its own; with 0
# the device waits for each image to be recorded.
WORKER_FINISHERS = env_int("WORKER_FINISHERS", 2)
# Names of model profiles that a worker loads, and makes a picture with in each size that was lately
# asked for, before it takes any work; for models that are compiled or slow to load.
WORKER_WARM_UP = env_list("WORKER_WARM_UP", [])
# Whether a requester who watches an order sees small previews of images that are being made: no
# scorer has judged them yet, and they are never kept.
SHOW_PREVIEWS = env_bool("SHOW_PREVIEWS", default=True)
# Seconds that one image may take to render; after that it is given up and refunded.
ITEM_TIMEOUT_S = env_int("ITEM_TIMEOUT_S", 900)
# Seconds that one scorer may take for one image; after that its process is ended, the image held.
SCORER_TIMEOUT_S = env_int("SCORER_TIMEOUT_S", 30)
# Seconds that starting the scoring process, or loading one scorer's model, may take.
SCORER_LOAD_TIMEOUT_S = env_int("SCORER_LOAD_TIMEOUT_S", 300)
# The most megabytes that the scoring process may take; on a CPU of address space, else of data.
SCORING_MEMORY_MB = env_int("SCORING_MEMORY_MB", 8192)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "imprimatur.api.authentication.KeyAuthentication",
        "imprimatur.api.authentication.PersonAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "imprimatur.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Imprimatur",
    "DESCRIPTION": "Order, review, release and publish generated images.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "ENUM_NAME_OVERRIDES": {
        "AppealState": "imprimatur.api.v1.appeals.APPEAL_STATES",
        "AnnotationMark": "imprimatur.api.v1.annotations.MARKS",
        "BreakGlassState": "imprimatur.api.v1.break_glass.BREAK_GLASS_STATES",
        "CaseState": "imprimatur.api.v1.cases.CASE_STATES",
        "ItemState": "imprimatur.api.v1.jobs.ITEM_STATES",
        "JobState": "imprimatur.api.v1.jobs.JOB_STATES",
        "PublicationState": "imprimatur.api.v1.publications.PUBLICATION_STATES",
        "ReplayState": "imprimatur.api.v1.replays.REPLAY_STATES",
        "Role": "imprimatur.api.fields.ROLES",
        "Ruling": "imprimatur.api.v1.appeals.RULINGS",
        "Verdict": "imprimatur.api.v1.cases.VERDICTS",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# Cookies travel over TLS only, and scripts never read the session's.
SESSION_COOKIE_SECURE = env_bool("COOKIES_SECURE", default=True)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Seconds after which a person signs in again.
SESSION_COOKIE_AGE = env_int("SESSION_COOKIE_AGE", 8 * 3600)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# Whether requests over plain HTTP are redirected; False where the proxy does it.
SECURE_SSL_REDIRECT = env_bool("SSL_REDIRECT", default=False)
# Seconds for which browsers keep to TLS after a visit.
SECURE_HSTS_SECONDS = env_int("HSTS_S", 3600)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# The largest request body, in bytes: orders are small. A picture's request may have more.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
# The largest body of a request that brings a picture, in bytes: more than a picture may have, so
# that one a little too large is told so in its form. What people bring lies in no temporary file.
PICTURE_BODY_MAX_BYTES = 25_165_824
FILE_UPLOAD_MAX_MEMORY_SIZE = PICTURE_BODY_MAX_BYTES
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
SILENCED_SYSTEM_CHECKS: list[str] = []

# How much our own code logs: DEBUG, INFO, WARNING, ERROR.
LOG_LEVEL = env_str("LOG_LEVEL", "INFO")
# Whether log lines are JSON objects, or text for a terminal.
LOGGING = logs.logging_config(level=LOG_LEVEL, json=env_bool("LOG_JSON", default=True))
LOGGING_CONFIG = "imprimatur.config.logs.configure"
