"""All settings of the site, in sections. Each value that differs between
installations is read from the environment (``.env.example`` lists them).

``EMBEDDED=true`` is the form of the demo and of the tests: SQLite and a broker
of files under ``STATE_DIR``, and keys that are no secret. Without it the values
of production must be there, or the start stops.
"""

from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from portal import env, oidc
from portal.aws import *  # noqa: F403 - a section of its own
from portal.logging import configuration

BASE_DIR = Path(__file__).resolve().parent.parent

# --- The form of this installation -------------------------------------------------

EMBEDDED = env.boolean("EMBEDDED", default=False)
STATE_DIR = Path(env.text("STATE_DIR", str(BASE_DIR / "var")))
ORIGIN = env.text("ORIGIN", "http://127.0.0.1:8000" if EMBEDDED else None).rstrip("/")
IS_HTTPS = ORIGIN.startswith("https://")

# --- Keys --------------------------------------------------------------------------

SECRET_KEY = env.text("SECRET_KEY", "embedded-" + "not-a-secret-" * 4 if EMBEDDED else None)

# The key ring of the vault: "id:base64 of 32 bytes", newest first. New secrets, those of
# second factors among them, are sealed with the first; the others only open what they once sealed.
VAULT_KEYS = env.words("VAULT_KEYS", "embedded:" + "A" * 43 + "=" if EMBEDDED else None)

# --- The site ----------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost" if EMBEDDED else None)
CSRF_TRUSTED_ORIGINS = [ORIGIN]
SITE_NAME = env.text("SITE_NAME", "ECR Portal")
VENDOR_NAME = env.text("VENDOR_NAME", "Acme Software")
SUPPORT_EMAIL = env.text("SUPPORT_EMAIL", "support@example.com" if EMBEDDED else None)

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"

INSTALLED_APPS = [
    "portal",
    "provisioning",
    "accounts",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Its own templates, for what templates/django/forms/ leaves as it is.
    "django.forms",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.permissions_policy",
    "portal.middleware.no_null_characters",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.second_factor.StaffSecondFactorMiddleware",
    "portal.middleware.time_zone",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
            ],
        },
    },
]
# Forms use the project's own templates (templates/django/forms/), as every page does.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Data --------------------------------------------------------------------------

DATABASES = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL", f"sqlite:///{STATE_DIR / 'portal.sqlite3'}" if EMBEDDED else None)
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE two writers that began by reading deadlock at once; WAL lets
    # pages read while the worker writes.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # In a file, so that a worker process started by a test sees what the test wrote.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}
else:
    # As many as a process has threads, else requests wait for each other's connections.
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 16}}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- Celery: how work reaches the workers ------------------------------------------

BROKER_DIR = STATE_DIR / "broker"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object]
CELERY_BROKER_URL = env.text("BROKER_URL", "filesystem://" if EMBEDDED else None)
if CELERY_BROKER_URL == "filesystem://":
    for folder in ("messages", "processed", "control"):
        (BROKER_DIR / folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": BROKER_DIR / "messages",
        "data_folder_out": BROKER_DIR / "messages",
        "control_folder": BROKER_DIR / "control",
        # kombu looks once a second by itself: a burst would wait for the clock.
        "polling_interval": 0.1,
    }
else:
    # Longer than the longest task, else Redis hands a running task to a second worker.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
# The pace of calls to AWS is kept there as well, where it is a Redis, and so is what all web
# processes must share: how often somebody has tried to sign in.
LIMITER_URL = CELERY_BROKER_URL
if CELERY_BROKER_URL.startswith("redis"):
    REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"
    CACHES = {"default": {"BACKEND": REDIS_CACHE, "LOCATION": CELERY_BROKER_URL}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    # The ledger is the truth and the broker only a hurry: what a lost message left
    # undone, the sweep enqueues again.
    "sweep": {
        "task": "provisioning.tasks.sweep",
        "schedule": env.integer("SWEEP_SECONDS", 2 if EMBEDDED else 5, minimum=1),
        "options": {"expires": 60},
    },
    "warn_of_expiry": {"task": "provisioning.tasks.warn_of_expiry", "schedule": 3600},
    "seal_audit_log": {
        "task": "provisioning.tasks.seal_audit_log",
        "schedule": 60,
        "options": {"expires": 60},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "beat-schedule")

# --- Sign-in -----------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Who may make an account: those with the link of an invitation, or anybody.
SIGNUP = env.choice("SIGNUP", "invitation", among=["invitation", "open"])
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
# Proxies before the site that add to X-Forwarded-For: rate limits and the audit log go by
# the address that the outermost of them saw.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXIES", 0 if EMBEDDED else 1)
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
# How long a fresh proof of identity lasts before a reveal asks for a new one.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# One answer whether an address has an account or not.
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
# Browsers let loopback addresses do without https; fido2 wants to be told.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS
MFA_TOTP_ISSUER = SITE_NAME
# The clocks of phones are some seconds off.
MFA_TOTP_TOLERANCE = 1
# Whether the vendor's people need a second factor for the admin and the dashboard.
STAFF_SECOND_FACTOR = env.boolean("STAFF_SECOND_FACTOR", default=not EMBEDDED)
# Whether who made a request for a customer must leave its approval to somebody else.
FOUR_EYES = env.boolean("FOUR_EYES", default=not EMBEDDED)
# Another site at which people may sign in, by OpenID Connect; none without OIDC_ISSUER.
OIDC_ISSUER = env.text("OIDC_ISSUER", "")
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = oidc.providers(
    OIDC_ISSUER,
    name=env.text("OIDC_NAME", "single sign-on"),
    client_id=env.text("OIDC_CLIENT_ID", None if OIDC_ISSUER else ""),
    secret=env.text("OIDC_CLIENT_SECRET", None if OIDC_ISSUER else ""),
)
MFA_ADAPTER = "accounts.second_factor.SecondFactorAdapter"

# --- Mail --------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("FROM_EMAIL", SUPPORT_EMAIL)
if EMBEDDED:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = STATE_DIR / "mail"
else:
    EMAIL_HOST = env.text("EMAIL_HOST")
    EMAIL_PORT = env.integer("EMAIL_PORT", 587)
    EMAIL_HOST_USER = env.text("EMAIL_USER", "")
    EMAIL_HOST_PASSWORD = env.text("EMAIL_PASSWORD", "")
    EMAIL_USE_TLS = env.boolean("EMAIL_TLS", default=True)
    EMAIL_TIMEOUT = 20

# --- Safety ------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF, *oidc.form_targets(OIDC_ISSUER)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31536000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Forms here are short. A file is taken into memory up to 1 MiB; a larger one is passed over,
# and nothing is ever written to disk.
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- Logs --------------------------------------------------------------------------

LOGGING = configuration("plain" if EMBEDDED else "json", env.text("LOG_LEVEL", "INFO"))
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- Language, time, static files --------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
# The embedded form serves the files from where they lie.
STATIC_ROOT = None if EMBEDDED else Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = EMBEDDED
