"""Lumi's settings: one file, read from the environment. Environments differ by variables only.

`.env.example` names every variable. A `.env` file in the project's folder is read when there is one.
"""

import json
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from botocore.config import Config as BotoConfig
from corsheaders.defaults import default_headers
from django.utils.translation import gettext_lazy as _
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent


class TextInFiles(FileAwareMapping):
    """The environment, where NAME_FILE names a file that holds NAME: a secret of a container. Without the end of its
    last line, that editors write."""

    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).rstrip("\r\n")


class Environment(environ.Env):
    """Typed readers of it."""

    ENVIRON = TextInFiles()


env = Environment()
Environment.read_env(BASE_DIR / ".env")


class Secret(str):
    """Text that no repr shows: no debug page, no traceback's variables, not `manage.py diffsettings`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'" if self else "''"


def table(text: str) -> dict[str, Any]:
    """A JSON object. What is none stands under no name, for `manage.py check` to complain of (providers.E005)."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {"": found}


def secret_key_kept_in(folder: Path) -> str:
    """A key made on first start and kept beside the data, so that a new machine needs no setting."""
    path = folder / "secret-key"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    return path.read_text().strip()


# --- Where things lie -------------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("LUMI_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

# --- Safety -----------------------------------------------------------------------------------------------------------
DEBUG = env.bool("LUMI_DEBUG", default=False)
SECRET_KEY = Secret(env.str("LUMI_SECRET_KEY", default="") or secret_key_kept_in(DATA_DIR))
# Former ones, while what they signed lives on.
SECRET_KEY_FALLBACKS = [Secret(key) for key in env.list("LUMI_SECRET_KEY_FALLBACKS", default=[])]
DEFAULT_EXCEPTION_REPORTER_FILTER = "lumi.reports.SecretFilter"
ALLOWED_HOSTS = env.list("LUMI_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
PUBLIC_URL = env.str("LUMI_PUBLIC_URL", default="").rstrip("/")  # "" = the address by which the client came
HTTPS = env.bool("LUMI_HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health"]  # probes come from inside, without TLS
# How many proxies of ours stand before Lumi: so many of the last entries of X-Forwarded-For are believed, and
# X-Forwarded-Proto. 0: neither, whatever a client sends.
TRUSTED_PROXIES = env.int("LUMI_TRUSTED_PROXIES", default=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = env.int("LUMI_HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_TRUSTED_ORIGINS = env.list("LUMI_CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("LUMI_CORS_ORIGINS", default=[])
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key"]
CORS_EXPOSE_HEADERS = [
    "X-Total-Count", "X-Request-Id", "Retry-After", "Idempotency-Replayed",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
]  # fmt: skip
X_FRAME_OPTIONS = "DENY"
# Pages (admin, docs) run what Lumi itself serves and nothing else. Pictures and models may lie in a store.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:", "https:"],
        "connect-src": ["'self'", "blob:", "https:"],
        "style-src": ["'self'", "'unsafe-inline'"],  # Swagger UI writes style attributes
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Limits -----------------------------------------------------------------------------------------------------------
# Calls in a span of time, by address ("address…") and by person and class of route. {"read": "1200/minute"} overrides
# one, LUMI_RATE_LIMITING=false lifts all.
RATE_LIMITS = {
    "address": "1200/minute",
    "address:media": "6000/minute",
    "address:signin": "60/minute",
    "read": "600/minute",
    "poll": "1200/minute",
    "write": "120/minute",
    "generate": "60/minute",
    "upload": "30/minute",
    "export": "10/hour",
} | table(env.str("LUMI_RATE_LIMITS", default=""))
RATE_LIMITS = RATE_LIMITS if env.bool("LUMI_RATE_LIMITING", default=True) else {}
CSRF_FAILURE_VIEW = "lumi.api.jsend.csrf_failure"
LOGIN_REDIRECT_URL = "admin:index"  # whoever signs in with a page wants the admin, wherever else a link would lead

# --- Rooms ------------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "lumi.accounts.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "lumi",
    "lumi.accounts",
    "providers",
    "gallery",
    "generation",
    "interactions",
]

MIDDLEWARE = [
    "lumi.api.middleware.NotKept",
    "lumi.api.views.Liveness",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "lumi.api.middleware.PerAddress",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "lumi.urls"
WSGI_APPLICATION = "lumi.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "lumi" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------------------
DATABASE_URL = Secret(env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'lumi.sqlite3'}")
DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CONN_MAX_AGE = env.int("LUMI_DB_CONN_MAX_AGE", default=60)
DATABASE_OPTIONS = {
    # WAL and IMMEDIATE: without them a third of concurrent transactions fails with "database is locked".
    "django.db.backends.sqlite3": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    # The session's time zone must be UTC, or Now() is compared with times of another zone.
    "django.db.backends.mysql": {
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": env.int("LUMI_DB_TIMEOUT_SECONDS", default=60),  # a hanging one holds no thread for ever
        "write_timeout": env.int("LUMI_DB_TIMEOUT_SECONDS", default=60),
        "isolation_level": "read committed",
        "init_command": "SET time_zone='+00:00', sql_mode='STRICT_TRANS_TABLES'",
    },
}
DATABASES["default"].setdefault("OPTIONS", {}).update(DATABASE_OPTIONS.get(DATABASES["default"]["ENGINE"], {}))
DATABASES["default"].update(CONN_MAX_AGE=CONN_MAX_AGE, CONN_HEALTH_CHECKS=True)
DATABASES["default"]["PASSWORD"] = Secret(DATABASES["default"]["PASSWORD"] or "")
USES_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")

# --- Redis, cache, Celery ---------------------------------------------------------------------------------------------
REDIS_URL = Secret(env.str("REDIS_URL", default=""))
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}
CELERY_BROKER_URL = Secret(env.str("CELERY_BROKER_URL", default="") or REDIS_URL or "memory://localhost")
EMBEDDED_WORKER = CELERY_BROKER_URL.startswith("memory://")  # one process: web, worker and tick
WORKER_THREADS = env.int("LUMI_WORKER_THREADS", default=8)
WEB_THREADS = env.int("LUMI_WEB_THREADS", default=8)
CLOCK_KEPT_SECONDS = 1.0  # how long a reading of the database's clock is carried on by this machine's (lumi/clock.py)
TICK_SECONDS = env.float("LUMI_TICK_SECONDS", default=1.0)
SWEEP_SECONDS = env.float("LUMI_SWEEP_SECONDS", default=10.0)
CELERY_TASK_ACKS_LATE = False  # the row is the job; a message is only a bell
CELERY_TASK_IGNORE_RESULT = True
CELERY_DB_REUSE_MAX = sys.maxsize  # celery.py closes connections, and only those that are no good any more
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"polling_interval": 0.05}
    if EMBEDDED_WORKER
    else {"visibility_timeout": 3600, "socket_connect_timeout": 3, "socket_timeout": 30, "health_check_interval": 25}
)
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # every entry is an interval: nothing to remember on disk
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
BELL_AGE = 900  # seconds; Celery compares two machines' clocks, so it must be far above any skew
CELERY_BEAT_SCHEDULE = {
    # `expires`: bells that nobody heard in time are dropped, not piled up.
    "tick": {"task": "generation.tick", "schedule": TICK_SECONDS, "options": {"expires": BELL_AGE}},
    "polls": {"task": "generation.poll_due", "schedule": TICK_SECONDS, "options": {"expires": BELL_AGE}},
    "sweep": {"task": "generation.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": BELL_AGE}},
}

# --- Files ------------------------------------------------------------------------------------------------------------
MEDIA_ROOT = DATA_DIR / "files"
MEDIA_URL = "/files/"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns about a missing one
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "lumi.three.ThreeFinder",
]
WHITENOISE_USE_FINDERS = True  # admin and docs have their styles without a collectstatic
LINK_SECONDS = env.int("LUMI_LINK_SECONDS", default=7 * 86_400)  # of a private file's address; v4 allows no more
S3_BUCKET = env.str("LUMI_S3_BUCKET", default="")
S3_PUBLIC_DOMAIN = env.str("LUMI_S3_PUBLIC_DOMAIN", default="")
S3_PUBLIC_PROTOCOL = env.str("LUMI_S3_PUBLIC_PROTOCOL", default="https").rstrip(":")
STORAGES = {
    "default": (
        {
            "BACKEND": "lumi.s3.Store",
            "OPTIONS": {
                "bucket_name": S3_BUCKET,
                "endpoint_url": env.str("LUMI_S3_ENDPOINT_URL", default="") or None,
                "region_name": env.str("LUMI_S3_REGION", default="") or None,
                "access_key": env.str("LUMI_S3_ACCESS_KEY", default="") or None,
                "secret_key": Secret(env.str("LUMI_S3_SECRET_KEY", default="")) or None,
                # Where everybody may read what lies under `public/`: plain addresses that may be cached for ever. All
                # others are signed anew every hour, and end.
                "public_domain": S3_PUBLIC_DOMAIN and f"{S3_PUBLIC_PROTOCOL}://{S3_PUBLIC_DOMAIN}",
                "querystring_expire": LINK_SECONDS,
                # when_required: several compatible stores refuse the newer checksums.
                "client_config": BotoConfig(
                    signature_version=env.str("LUMI_S3_SIGNATURE", default="s3v4"),
                    s3={"addressing_style": env.str("LUMI_S3_ADDRESSING", default="auto")},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    max_pool_connections=32,
                    connect_timeout=5,
                    read_timeout=30,
                    retries={"max_attempts": 3, "mode": "standard"},
                ),
            },
        }
        if S3_BUCKET
        else {"BACKEND": "lumi.disk.Disk"}
    ),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("LUMI_MAX_BODY_BYTES", default=1_048_576)
MAX_IMAGE_UPLOAD_BYTES = env.int("LUMI_MAX_IMAGE_UPLOAD_BYTES", default=10 * 1024 * 1024)
MAX_MODEL_UPLOAD_BYTES = env.int("LUMI_MAX_MODEL_UPLOAD_BYTES", default=50 * 1024 * 1024)

# --- People -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
TRUST_USER_ID_HEADER = env.bool("LUMI_TRUST_USER_ID_HEADER", default=False)
CODE_LIFETIME = timedelta(seconds=env.int("LUMI_CODE_LIFETIME_SECONDS", default=600))
CODE_ATTEMPTS = env.int("LUMI_CODE_ATTEMPTS", default=5)
CODE_INTERVAL = timedelta(seconds=env.int("LUMI_CODE_INTERVAL_SECONDS", default=60))
CODES_PER_DAY = env.int("LUMI_CODES_PER_DAY", default=20)  # to one address, from wherever they are asked for
ADMIN_TOTP = env.bool("LUMI_ADMIN_TOTP", default=False)  # staff sign in with a second factor, and first set it up
OTP_TOTP_ISSUER = "Lumi"
# The first signs, all verify: a new one is put before the old one, which goes when its refresh tokens have expired.
JWT_KEYS = [Secret(key) for key in env.list("LUMI_JWT_KEYS", default=[])] or [SECRET_KEY, *SECRET_KEY_FALLBACKS]
REFRESH_GRACE = timedelta(seconds=env.int("LUMI_REFRESH_GRACE_SECONDS", default=30))
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=env.int("LUMI_ACCESS_TOKEN_SECONDS", default=900)),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=env.int("LUMI_REFRESH_TOKEN_SECONDS", default=30 * 86_400)),
    "ALGORITHM": "HS256",
    "ISSUER": "lumi",
    "AUDIENCE": "lumi-api",
    "LEEWAY": 5,  # seconds that the clocks of two web machines may differ
}

# --- Mail -------------------------------------------------------------------------------------------------------------
mail = env.email_url("EMAIL_URL", default="") if env.str("EMAIL_URL", default="") else {}
EMAIL_BACKEND = mail.get("EMAIL_BACKEND", "lumi.accounts.mail.FolderBackend")
EMAIL_FILE_PATH = str(DATA_DIR / "mail")
EMAIL_HOST = mail.get("EMAIL_HOST", "localhost")
EMAIL_PORT = mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = Secret(mail.get("EMAIL_HOST_PASSWORD") or "")
EMAIL_USE_TLS = mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.float("LUMI_MAIL_TIMEOUT_SECONDS", default=10.0)  # of each step of the talk with the mail server
DEFAULT_FROM_EMAIL = env.str("LUMI_MAIL_FROM", default="Lumi <noreply@localhost>")

# --- Words and times --------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "lumi" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- REST -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "lumi.accounts.api.authentication.TokenAuthentication",
        "lumi.accounts.api.authentication.GatewayAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["lumi.api.permissions.IsSignedIn"],
    "DEFAULT_THROTTLE_CLASSES": ["lumi.api.limits.PerPerson"],
    "DEFAULT_RENDERER_CLASSES": ["lumi.api.jsend.JSendRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "lumi.api.jsend.AlwaysJson",
    "DEFAULT_PARSER_CLASSES": ["lumi.api.jsend.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "lumi.api.pagination.LimitOffset",
    "DEFAULT_SCHEMA_CLASS": "lumi.api.schema.LumiSchema",
    "DEFAULT_METADATA_CLASS": "lumi.api.options.AllowOnly",
    "EXCEPTION_HANDLER": "lumi.api.jsend.exception_handler",
    "NON_FIELD_ERRORS_KEY": "nonFieldErrors",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lumi",
    "DESCRIPTION": "A sentence becomes a printable 3D object.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],  # the contract is for everybody: no token is looked at
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "lumi.api.envelopes.complete",
    ],
    "ENUM_NAME_OVERRIDES": {},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Health -----------------------------------------------------------------------------------------------------------
HEALTH_PROBES = {
    "database": "lumi.health.probe_database",
    "redis": "lumi.health.probe_redis",
    "storage": "lumi.health.probe_storage",
    "providers": "generation.health.probe_providers",
    "queues": "generation.health.probe_pauses",
}

# --- Providers --------------------------------------------------------------------------------------------------------
# Every provider there is, by kind and name: a dotted factory that takes nothing. One new vendor is one new line.
PROVIDERS = {
    "llm": {
        "offline": "providers.registry.offline_llm",
        "qwen": "providers.qwen.llm",
        "siliconflow": "providers.siliconflow.llm",
    },
    "image": {
        "offline": "providers.registry.offline_images",
        "aliyun": "providers.aliyun.images",
        "siliconflow": "providers.siliconflow.images",
    },
    "model": {
        "offline": "providers.registry.offline_models",
        "aliyun": "providers.aliyun.models",
        "tencent": "providers.tencent.models",
        "tokenhub": "providers.tokenhub.models",
        "meshy": "providers.meshy.models",
    },
}
# Which of them are used, in this order: the next one where the one before cannot, will not or may not (docs/adr/0009).
LLM_PROVIDERS = env.list("LUMI_LLM_PROVIDERS", default=["offline"])
IMAGE_PROVIDERS = env.list("LUMI_IMAGE_PROVIDERS", default=["offline"])
MODEL_PROVIDERS = env.list("LUMI_MODEL_PROVIDERS", default=["offline"])
OFFLINE_DIR = DATA_DIR / "offline"
# Accounts. `key` is what is secret; a vendor is used only where a list above names it.
ALIYUN = {
    "key": Secret(env.str("LUMI_ALIYUN_API_KEY", default="")),
    "url": env.str("LUMI_ALIYUN_URL", default="https://dashscope.aliyuncs.com"),
    "image_model": env.str("LUMI_ALIYUN_IMAGE_MODEL", default="qwen-image-plus"),
    "image_size": env.str("LUMI_ALIYUN_IMAGE_SIZE", default="1328*1328"),
    "mesh_model": env.str("LUMI_ALIYUN_MESH_MODEL", default="Tripo/Tripo-P1.0"),
}
QWEN = {
    "key": Secret(env.str("LUMI_QWEN_API_KEY", default="")) or ALIYUN["key"],
    "url": env.str("LUMI_QWEN_URL", default="https://dashscope.aliyuncs.com/compatible-mode/v1"),
    "model": env.str("LUMI_QWEN_MODEL", default="qwen-plus"),
}
SILICONFLOW = {
    "key": Secret(env.str("LUMI_SILICONFLOW_API_KEY", default="")),
    "url": env.str("LUMI_SILICONFLOW_URL", default="https://api.siliconflow.cn/v1"),
    "image_model": env.str("LUMI_SILICONFLOW_IMAGE_MODEL", default="Qwen/Qwen-Image"),
    "image_size": env.str("LUMI_SILICONFLOW_IMAGE_SIZE", default=""),  # "" = the model's square
    "image_batch": env.int("LUMI_SILICONFLOW_IMAGE_BATCH", default=1),  # up to 4, Kolors only
    "model": env.str("LUMI_SILICONFLOW_MODEL", default="Qwen/Qwen3-30B-A3B-Instruct-2507"),
}
TENCENT = {
    "id": Secret(env.str("LUMI_TENCENT_SECRET_ID", default="")),
    "key": Secret(env.str("LUMI_TENCENT_SECRET_KEY", default="")),
    "url": env.str("LUMI_TENCENT_URL", default="https://ai3d.tencentcloudapi.com"),
    "region": env.str("LUMI_TENCENT_REGION", default="ap-guangzhou"),
    "edition": env.str("LUMI_TENCENT_EDITION", default="pro"),  # or "rapid"
}
TOKENHUB = {
    "key": Secret(env.str("LUMI_TOKENHUB_API_KEY", default="")),
    "url": env.str("LUMI_TOKENHUB_URL", default="https://tokenhub.tencentmaas.com/v1"),
    "model": env.str("LUMI_TOKENHUB_MODEL", default="hy-3d-3.0"),
}
MESHY = {
    "key": Secret(env.str("LUMI_MESHY_API_KEY", default="")),
    "url": env.str("LUMI_MESHY_URL", default="https://api.meshy.ai"),
    "model": env.str("LUMI_MESHY_MODEL", default="meshy-6"),
}
LLM_MOST_TOKENS = env.int("LUMI_LLM_MOST_TOKENS", default=2500)  # of one answer: what a request can cost is bounded
# Seconds: to connect, for a free question, for a call that may cost money, for the download of a result.
PROVIDER_SECONDS = {
    "connect": env.float("LUMI_PROVIDER_CONNECT_SECONDS", default=5.0),
    "ask": env.float("LUMI_PROVIDER_ASK_SECONDS", default=15.0),
    "pay": env.float("LUMI_PROVIDER_PAY_SECONDS", default=75.0),
    "download": env.float("LUMI_PROVIDER_DOWNLOAD_SECONDS", default=300.0),
}
# Endings of host names, beside each vendor's own, from which results may be fetched.
RESULT_HOSTS = tuple(env.list("LUMI_RESULT_HOSTS", default=[]))
RESULTS_FROM_LOOPBACK = env.bool("LUMI_RESULTS_FROM_LOOPBACK", default=False)  # for a trial vendor on this machine
# What an account allows where it is less than the kind's own numbers, by kind and provider: the vendors' smallest
# accounts, unless yours has more. {"image": {"siliconflow": {"per_minute": 20}}} overrides one.
OWN_LIMITS = table(env.str("LUMI_PROVIDER_LIMITS", default=""))
SMALLEST_LIMITS: dict[str, dict[str, Any]] = {
    "image": {"siliconflow": {"per_minute": 2}, "aliyun": {"at_once": 2}},
    "model": {"tencent": {"at_once": 1 if TENCENT["edition"] == "rapid" else 3}},
}
PROVIDER_LIMITS = {
    kind: limits | own if isinstance(own := OWN_LIMITS.get(kind, {}), dict) else limits
    for kind, limits in SMALLEST_LIMITS.items()
}

# --- Money ------------------------------------------------------------------------------------------------------------
CURRENCY = env.str("LUMI_CURRENCY", default="CNY")
# The price of a unit by "provider:product": a picture, a credit, or a million tokens in and out ("…:in", "…:out"). As
# the vendors' pages had them in October 2026; a product without a price is warned of (providers.W003).
OWN_PRICES = table(env.str("LUMI_PRICES", default=""))
PRICES = {
    "aliyun:qwen-image-plus": 0.2,
    "aliyun:qwen-image": 0.25,
    "aliyun:qwen-image-max": 0.5,
    "aliyun:qwen-image-2.0": 0.2,
    "aliyun:qwen-image-2.0-pro": 0.5,
    "tencent:credit": 0.12,
    "tokenhub:credit": 0.12,
    "meshy:credit": 0.14,
    "qwen:qwen-plus:in": 0.8,
    "qwen:qwen-plus:out": 2.0,
    **OWN_PRICES,
}
# By provider: what may be spent in a calendar month (UTC) before nothing more is submitted; {} = no bound.
BUDGETS = table(env.str("LUMI_BUDGETS", default=""))

# --- Generation -------------------------------------------------------------------------------------------------------
# Seconds, unless a name says otherwise. `per_minute` and `at_once` hold over all workers together.
GENERATION = {
    "image": {
        "tries": env.int("LUMI_IMAGE_TRIES", default=3),
        "backoff": env.float("LUMI_IMAGE_BACKOFF", default=5.0),
        "at_once": env.int("LUMI_IMAGE_AT_ONCE", default=5),
        "per_minute": env.int("LUMI_IMAGE_PER_MINUTE", default=10),
        "poll_every": env.float("LUMI_IMAGE_POLL_SECONDS", default=10.0),
        "timeout": env.float("LUMI_IMAGE_TIMEOUT", default=300.0),
    },
    "model": {
        "tries": env.int("LUMI_MODEL_TRIES", default=3),
        "backoff": env.float("LUMI_MODEL_BACKOFF", default=10.0),
        "at_once": env.int("LUMI_MODEL_AT_ONCE", default=3),
        "per_minute": env.int("LUMI_MODEL_PER_MINUTE", default=5),
        "poll_every": env.float("LUMI_MODEL_POLL_SECONDS", default=2.0 if MODEL_PROVIDERS == ["offline"] else 10.0),
        "timeout": env.float("LUMI_MODEL_TIMEOUT", default=600.0),
    },
    "designs_at_once": env.int("LUMI_DESIGNS_AT_ONCE", default=8),
    "lease": env.float("LUMI_LEASE_SECONDS", default=60.0),  # renewed every third of it by the process that works
    "poll_threads": env.int("LUMI_POLL_THREADS", default=16),
    "call_deadline": env.float("LUMI_CALL_DEADLINE_SECONDS", default=90.0),  # no submit takes longer to arrive
    "bell": env.float("LUMI_BELL_SECONDS", default=15.0),  # a claim whose message was lost is claimed again after it
    "most_recoveries": env.int("LUMI_MOST_RECOVERIES", default=3),  # lost workers before a job is given up
    "breaker_failures": env.int("LUMI_BREAKER_FAILURES", default=5),  # within a minute, before it opens
    "breaker_pause": env.float("LUMI_BREAKER_PAUSE_SECONDS", default=30.0),
    "most_unfinished_per_person": env.int("LUMI_MOST_UNFINISHED_PER_PERSON", default=50),
    "most_unfinished": env.int("LUMI_MOST_UNFINISHED", default=5000),
    "unknown_hold": env.float("LUMI_UNKNOWN_HOLD_SECONDS", default=900.0),
    "store_deadline": env.float("LUMI_STORE_DEADLINE_SECONDS", default=6 * 3600.0),  # results wait for our storage
    "work_deadline": env.float("LUMI_WORK_DEADLINE_SECONDS", default=86_400.0),  # images or model, queueing included
    "choice_deadline": env.float("LUMI_CHOICE_DEADLINE_SECONDS", default=30 * 86_400.0),
}

# --- Slots: what a room must show or do that rooms above it know ------------------------------------------------------
GALLERY_MODEL_FACTS = "generation.facts.facts_of_models"
GALLERY_MODEL_PROMPTS = "generation.facts.prompts_of_models"
GALLERY_AFTER_CHANGE = "generation.pipeline.touch_request"
GALLERY_BEFORE_REMOVE = "generation.pipeline.release_model"
ACCOUNT_STATISTICS = {
    "requestCount": "generation.facts.count_requests",
    "modelCount": "gallery.facts.count_models",
    "publicModelCount": "gallery.facts.count_public_models",
    "receivedLikeCount": "gallery.facts.count_received_likes",
}
# What an export holds of a person, by the name of its file; what each room does when the person goes, in this order.
ACCOUNT_EXPORTS = {
    "requests": "generation.facts.export",
    "models": "gallery.facts.export",
    "interactions": "interactions.facts.export",
    "reports": "gallery.reports.export",
}
ACCOUNT_BEFORE_DELETE = [
    "gallery.reports.withdraw_all",
    "interactions.actions.withdraw_all",
    "generation.pipeline.discard_all",
    "gallery.actions.leave_or_erase_all",
]

# --- Staff ------------------------------------------------------------------------------------------------------------
REVIEW_BEFORE_PUBLISHING = env.bool("LUMI_REVIEW_BEFORE_PUBLISHING", default=False)  # models wait for a moderator
REPORTS_THAT_HIDE = env.int(
    "LUMI_REPORTS_THAT_HIDE", default=5
)  # so many open ones hide a model until looked at; 0: none do
# What each person may do unless staff have raised it for them; 0: as much as they like.
REQUESTS_A_DAY = env.int("LUMI_REQUESTS_A_DAY", default=0)
MODELS_A_MONTH = env.int("LUMI_MODELS_A_MONTH", default=0)
# A callable that judges a prompt before anything is paid, in the worker: see `lumi.wordfilter.Judge`. Empty: none.
TEXT_JUDGE = env.str("LUMI_TEXT_JUDGE", default="")
# What the rooms bring to the staff's pages and commands. Strings: the ground imports nothing above it.
STAFF_CARDS = ["generation.dashboard.cards", "gallery.dashboard.cards", "lumi.accounts.dashboard.cards"]
PERSON_FACTS = ["generation.facts.facts_of_person", "gallery.facts.facts_of_person"]
FILE_KEYS = ["generation.facts.file_keys", "gallery.facts.file_keys", "lumi.accounts.profile.file_keys"]
RECOUNTS = ["gallery.counters.recount", "interactions.counters.recount"]
PRUNES = ["generation.pruning.prune", "lumi.accounts.pruning.prune"]
DEMO_DATA = ["generation.demo.fill", "interactions.demo.fill"]
# Called with a person's id after the account was suspended, and after it was restored.
ACCOUNT_SUSPENDED = ["gallery.sharing.follow_owner", "generation.pipeline.stop_for_suspended"]
# What a person may do and has done, by its name on the wire: {"limit", "used"}, or None where there is no limit.
ACCOUNT_QUOTAS = {
    "requestsADay": "generation.quotas.use_of_requests",
    "modelsAMonth": "generation.quotas.use_of_models",
}

# --- Logs -------------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "lumi.logs.WithRequestId"}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s [%(request_id)s]"},
        "json": {"()": "lumi.logs.Json"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.str("LUMI_LOG_FORMAT", default="line"),  # or json
            "filters": ["request"],
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LUMI_LOG_LEVEL", default="WARNING")},
    "loggers": {
        "lumi": {"level": env.str("LUMI_LOG_LEVEL", default="INFO")},
        "generation": {"level": env.str("LUMI_LOG_LEVEL", default="INFO")},
        "django.request": {"level": "ERROR"},  # a 4xx is the client's affair
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # anybody could fill the log with it
        # At DEBUG these two write whole answers of vendors down, signed addresses included.
        "tencentcloud_sdk_common": {"level": "WARNING"},
        "urllib3": {"level": "INFO"},
    },
}
