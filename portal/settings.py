"""All settings of the site, in sections. Each value that differs between installations is read
from the environment (``.env.example`` lists them).

``EMBEDDED=true`` is the form of the demo and of the tests: SQLite and a broker of files under
``STATE_DIR``, and keys that are not secret. Without it the values of production are required, or
the start fails.
"""

from datetime import timedelta
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF

from portal import env, oidc
from portal.logging import configuration

BASE_DIR = Path(__file__).resolve().parent.parent

# --- The form of this installation -------------------------------------------------

EMBEDDED = env.boolean("EMBEDDED", default=False)
# `make demo`, whose emails anyone on this machine reads on a page.
DEMO = EMBEDDED and env.boolean("DEMO", default=False)
STATE_DIR = Path(env.text("STATE_DIR", str(BASE_DIR / "var")))
ORIGIN = env.text("ORIGIN", "http://127.0.0.1:8000" if EMBEDDED else None).rstrip("/")
IS_HTTPS = ORIGIN.startswith("https://")

# --- Keys --------------------------------------------------------------------------

SECRET_KEY = env.text("SECRET_KEY", "embedded-" + "not-a-secret-" * 4 if EMBEDDED else None)

# Beat and migrations encrypt and sign nothing: they run without the keys that do.
WITHOUT_KEYS = env.boolean("WITHOUT_KEYS", default=False)
NO_SECRET = "embedded:" + "A" * 43 + "=" if EMBEDDED else "" if WITHOUT_KEYS else None

# The key ring of the vault: "id:base64 of 32 bytes", newest first. New secrets, including those of
# second factors, are encrypted with the first; the others only decrypt what they once encrypted.
VAULT_KEYS = env.words("VAULT_KEYS", NO_SECRET)

# The same for the signatures of the audit log.
AUDIT_KEYS = env.words("AUDIT_KEYS", NO_SECRET)
# Where the head of the audit log's chain is sent besides the log; none if empty.
AUDIT_WEBHOOK_URL = env.text("AUDIT_WEBHOOK_URL", "")

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
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "csp",
    "portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Its own templates, for what templates/django/forms/ does not replace.
    "django.forms",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.request_id",
    "portal.middleware.permissions_policy",
    "portal.middleware.well_formed",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.pages.guards.GuardMiddleware",
    "portal.middleware.not_stored",
    "portal.middleware.who_it_is",
    "accounts.sessions.lifetime.limits",
    "accounts.sessions.devices.set_cookie",
    "portal.middleware.time_zone",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.IdentityProviderFailed",
    "portal.middleware.RepeatAfterDeadlock",
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
                "portal.context_processors.site",
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
    # Without IMMEDIATE two writers that began by reading deadlock at once; WAL lets pages read
    # while the worker writes.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # In a file, so that a worker process started by a test sees what the test wrote.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}
else:
    pool = env.integer("DATABASE_POOL", 0, minimum=0)
    if pool:
        DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": pool}}
    else:
        # A process that does one thing at a time keeps its one connection, in seconds.
        DATABASES["default"]["CONN_MAX_AGE"] = 600
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# How often a sign-in was tried, and which codes were used.
CACHES = {"default": {"BACKEND": "accounts.cache.DatabaseCache"}}

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
        # In seconds. kombu's default is one: a burst would wait for the clock.
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Longer than the longest task; otherwise Redis hands a running task to a second worker.
        "visibility_timeout": 600,
        "queue_order_strategy": "sorted",
        # A page does not wait for a broker that is down or hangs: the sweep sends the messages
        # again.
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "max_retries": 0,
    }
# Redis also holds the rates of calls to AWS.
RATE_LIMIT_URL = CELERY_BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
# Every worker takes from all of them unless it is told otherwise, and in this order;
# ``provisioning.tasks`` says what is in which.
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {
    name: {} for name in ("0-housekeeping", "1-urgent", "2-later", "3-observation")
}
CELERY_TASK_DEFAULT_QUEUE = "0-housekeeping"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    # The database is the truth, and a message only makes it faster: what a lost message left undone
    # is enqueued again by the sweep.
    "sweep": {
        "task": "provisioning.tasks.sweep",
        "schedule": env.integer("SWEEP_SECONDS", 2 if EMBEDDED else 5, minimum=1),
        "options": {"expires": 60},
    },
    "send_reminders": {"task": "provisioning.tasks.send_reminders", "schedule": 600},
    "clear_expired": {"task": "provisioning.tasks.clear_expired", "schedule": 3600},
    "watch_audit_log": {"task": "provisioning.tasks.watch_audit_log", "schedule": 600},
    "link_audit_log": {
        "task": "provisioning.tasks.link_audit_log",
        "schedule": 60,
        "options": {"expires": 60},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "beat-schedule")

# --- AWS ---------------------------------------------------------------------------

# Everything of the portal's in IAM is under this path, so that its role can be limited to it.
AWS_PATH = env.text("AWS_PATH", "/ecr-portal/")
AWS_LOGIN_POLICY_NAME = env.text("AWS_LOGIN_POLICY_NAME", "AmazonEC2ContainerRegistryLogin")
# Between two writes of one repository's policy, so that many approvals share a write.
REPOSITORY_WRITE_INTERVAL = timedelta(seconds=env.integer("REPOSITORY_WRITE_INTERVAL_SECONDS", 5))
# How long one AWS call may take: to connect, and to answer (seconds).
AWS_TIMEOUTS = (5, 20)
# Calls per second of all workers together at the start, for each service of an account or one
# operation; from then on they are learnt. Reading images leaves most of ECR's rate to the policies.
AWS_RATES: dict[str, float] = {}
if not EMBEDDED:
    AWS_RATES = {"iam": 10, "ecr": 20, "sts": 10, "SetRepositoryPolicy": 1, "DescribeImages": 5}
# How often ECR is asked for the images of a repository that a customer may pull from.
IMAGES_EVERY = timedelta(minutes=env.integer("IMAGES_MINUTES", 15, minimum=1))
# The maximum age of a key (0: none), and how long a secret waits to be revealed.
KEY_LIFETIME = timedelta(days=env.integer("KEY_LIFETIME_DAYS", 90, minimum=0))
UNCLAIMED_AFTER = timedelta(days=env.integer("UNCLAIMED_DAYS", 7, minimum=1))
# How often AWS is read although nothing changed; after how long drift is looked at again, and
# whether it is then repaired.
OBSERVE_EVERY = timedelta(hours=env.integer("OBSERVE_HOURS", 12, minimum=1))
DRIFT_CONFIRM = timedelta(seconds=env.integer("DRIFT_CONFIRM_SECONDS", 60))
DRIFT_REPAIR = env.boolean("DRIFT_REPAIR", default=True)

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
# Who may create an account: people with the link of an invitation, or anyone.
SIGNUP = env.choice("SIGNUP", "invitation", among=["invitation", "open"])
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.signup_form.SignupForm"
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "request_login_code": "accounts.forms.RequestLoginCodeForm",
    "confirm_login_code": "accounts.forms.ConfirmLoginCodeForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
}
MFA_FORMS = {
    "activate_totp": "accounts.forms.ActivateForm",
    "add_webauthn": "accounts.forms.AddKeyForm",
    "authenticate": "accounts.forms.AuthenticateForm",
    "authenticate_webauthn": "accounts.forms.AuthenticateKeyForm",
    "login_webauthn": "accounts.forms.LoginKeyForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
    "reauthenticate_webauthn": "accounts.forms.ReauthenticateKeyForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# A single network must not be able to lock out a person: what counts for a person (key) is more
# than one network (ip) may try. Wrong passwords also count for the two together (login_failed).
ACCOUNT_RATE_LIMITS = {
    "codes": "5/5m/key",
    "code_guesses": "100/h/key",
    "confirm_email": "10/10m/ip,100/h/key",
    "guesses": "100/h/key",
    "resets": "100/h/key",
    "reset_mails": "1/m/key",
    "sign_up_mails": "1/m/key",
    "request_login_code": "10/10m/ip",
    "reset_password": "10/10m/ip",
}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# By a code that is entered where the address was: a link could be followed by its owner for someone
# else, who had added the address to an account.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
# Proxies in front of the site that add to X-Forwarded-For: rate limits and the audit log use the
# address that the outermost of them saw.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXIES", 0 if EMBEDDED else 1)
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
# For how many seconds a confirmed identity counts as a recent sign-in.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# The same for what staff change in the admin and on the dashboard, all day long.
STAFF_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# The same answer whether or not an address has an account.
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
# Browsers accept loopback addresses without https; fido2 needs this setting to do so.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS
MFA_TOTP_ISSUER = SITE_NAME
# The clocks of phones can be some seconds off.
MFA_TOTP_TOLERANCE = 1
# Sessions are rows of the database, encrypted and found by the hash of their key.
SESSION_ENGINE = "accounts.sessions.store"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# Staff sign in again after a working day, and after a longer break.
STAFF_SESSION_AGE = timedelta(hours=env.integer("STAFF_SESSION_HOURS", 12, minimum=1))
STAFF_SESSION_IDLE = timedelta(minutes=env.integer("STAFF_IDLE_MINUTES", 30, minimum=1))
# Whether the vendor's people need a second factor for the admin and the dashboard.
STAFF_SECOND_FACTOR = env.boolean("STAFF_SECOND_FACTOR", default=not EMBEDDED)
# Whether a request that sales made for a customer must be approved by a colleague.
FOUR_EYES = env.boolean("FOUR_EYES", default=not EMBEDDED)
# An identity provider at which people may sign in, by OpenID Connect; none without OIDC_ISSUER.
OIDC_ISSUER = env.text("OIDC_ISSUER", "")
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAccountAdapter"
# Whether addresses count as verified of which the provider does not say so.
OIDC_ADDRESSES_ARE_VERIFIED = env.boolean("OIDC_ADDRESSES_ARE_VERIFIED", default=False)
SOCIALACCOUNT_PROVIDERS = oidc.providers(
    OIDC_ISSUER,
    name=env.text("OIDC_NAME", "single sign-on"),
    client_id=env.text("OIDC_CLIENT_ID", None if OIDC_ISSUER else ""),
    secret=env.text("OIDC_CLIENT_SECRET", None if OIDC_ISSUER else ""),
)
MFA_ADAPTER = "accounts.mfa.MfaAdapter"

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
if IS_HTTPS:
    # Browsers let no other host of the domain set cookies with this prefix.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
SECURE_HSTS_SECONDS = 31536000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Forms here are short. A file up to 1 MiB is read into memory; a larger one is ignored, and nothing
# is ever written to disk.
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
# The embedded form serves the files from where they are.
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
