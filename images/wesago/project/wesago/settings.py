"""Settings of the Wesago forum: Django's, Misago's, Celery's.

Everything that differs between places is an environment variable; a process that lacks one it must
have ends with its name. What is secret comes from a Secret, the rest from the ConfigMap wesago-env.

    WESAGO_SECRET_KEY        secret; signs sessions and links in e-mails
    WESAGO_ADDRESS           http://wesago.k3s/: what browsers use; https makes cookies Secure
    WESAGO_ALLOWED_HOSTS     host names, with commas between
    WESAGO_LANGUAGE_CODE     en-us
    WESAGO_TIME_ZONE         UTC
    WESAGO_SEARCH_CONFIG     simple: a text search configuration of PostgreSQL
    WESAGO_ADMIN_PATH        admincp: where the administration lives; empty switches it off
    WESAGO_THREADS_ON_INDEX  true: the front page lists threads, else categories
    WESAGO_LOG_LEVEL         INFO
    WESAGO_DEBUG             false
    WESAGO_STATIC_ROOT, WESAGO_MEDIA_ROOT, WESAGO_AVATAR_GALLERY    folders of the three volumes
    WESAGO_USERDATA_DIR      folder where downloads of users' data are put together
    WESAGO_CELERY_ALIVE_FILE see celery.py
    MISAGO_PLUGINS           folder with Misago plugins, none by default
    DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD (secret), DB_CONN_MAX_AGE, DB_APPLICATION_NAME
    REDIS_SENTINELS          host:port, with commas between
    REDIS_MASTER_NAME, REDIS_PASSWORD (secret), REDIS_SENTINEL_PASSWORD (secret)
    EMAIL_HOST               empty: e-mails go to the log
    EMAIL_PORT, EMAIL_USER, EMAIL_PASSWORD (secret), EMAIL_USE_TLS, EMAIL_USE_SSL, EMAIL_FROM
"""

import os
import socket
from urllib.parse import quote, urlsplit

from misago import discover_plugins
from misago.conf.defaults import MISAGO_POSTING_MIDDLEWARES as POSTING_STEPS
from misago.settings import INSTALLED_APPS as MISAGO_APPS
from misago.settings import MISAGO_NOTIFICATIONS_RETRY_DELAY  # noqa: F401, read by Misago's tasks
from misago.settings import TEMPLATE_CONTEXT_PROCESSORS


def env(name, default=None):
    """The environment variable of that name; without a default it must be there."""
    value = os.environ.get(name, default)
    if value is None:
        raise RuntimeError(f"environment variable {name} is not set")
    return value


def flag(name, default=False):
    """The same as true or false."""
    return env(name, str(default)).strip().lower() in ("1", "true", "yes", "on")


def items(name, default=""):
    """The same as a list, with commas between."""
    return [item.strip() for item in env(name, default).split(",") if item.strip()]


def host_and_port(text, default_port):
    """Takes "host:port" apart."""
    host, _, port = text.partition(":")
    return host, int(port or default_port)


# --- Django ---------------------------------------------------------------
SECRET_KEY = env("WESAGO_SECRET_KEY")
DEBUG = flag("WESAGO_DEBUG")
ALLOWED_HOSTS = items("WESAGO_ALLOWED_HOSTS", "wesago.k3s")
# read once, by the first migrate, into the database setting "forum_address" (links in e-mails)
MISAGO_ADDRESS = env("WESAGO_ADDRESS", "http://wesago.k3s/")
HTTPS = urlsplit(MISAGO_ADDRESS).scheme == "https"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = HTTPS
if HTTPS:
    # Nginx writes this header anew, so no client can claim it
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
# In PostgreSQL only: survives a lost Redis, and a logout can not be undone by a stale cache.
SESSION_ENGINE = "django.contrib.sessions.backends.db"

ROOT_URLCONF = "wesago.urls"
WSGI_APPLICATION = "wesago.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"  # Misago's migrations assume it
INSTALLED_PLUGINS = discover_plugins(os.environ.get("MISAGO_PLUGINS"))
INSTALLED_APPS = [
    "wesago",
    *INSTALLED_PLUGINS,
    *(app for app in MISAGO_APPS if app not in ("debug_toolbar", "misago.faker")),
]
# Misago's own order, with the probes before it
MIDDLEWARE = [
    "wesago.health.ProbeMiddleware",
    "misago.users.middleware.RealIPMiddleware",
    "misago.core.middleware.FrontendContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "misago.cache.middleware.cache_versions_middleware",
    "misago.conf.middleware.dynamic_settings_middleware",
    "misago.socialauth.middleware.socialauth_providers_middleware",
    "misago.users.middleware.UserMiddleware",
    "misago.acl.middleware.user_acl_middleware",
    "misago.core.middleware.ExceptionHandlerMiddleware",
    "misago.users.middleware.OnlineTrackerMiddleware",
    "misago.admin.middleware.AdminAuthMiddleware",
    "misago.threads.middleware.UnreadThreadsCountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": TEMPLATE_CONTEXT_PROCESSORS},
    }
]
LANGUAGE_CODE = env("WESAGO_LANGUAGE_CODE", "en-us")
TIME_ZONE = env("WESAGO_TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

# --- PostgreSQL -----------------------------------------------------------
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": env("DB_HOST"),
        "PORT": env("DB_PORT", "5432"),
        "NAME": env("DB_NAME"),
        "USER": env("DB_USER"),
        "PASSWORD": env("DB_PASSWORD"),
        "CONN_MAX_AGE": int(env("DB_CONN_MAX_AGE", "60")),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            "application_name": env("DB_APPLICATION_NAME", "wesago"),
        },
    }
}

# --- Redis through Sentinel: cache (db 1) and Celery broker (db 0) ----------
SENTINELS = [host_and_port(item, 26379) for item in items("REDIS_SENTINELS")]
REDIS_MASTER_NAME = env("REDIS_MASTER_NAME", "wesago")
REDIS_PASSWORD = env("REDIS_PASSWORD", "")
REDIS_SENTINEL_PASSWORD = env("REDIS_SENTINEL_PASSWORD", "")
CACHES = {
    "default": {
        "BACKEND": "wesago.cache.SentinelRedisCache",
        "LOCATION": "",
        "KEY_PREFIX": "wesago",
        "TIMEOUT": 600,
        "OPTIONS": {
            "sentinels": SENTINELS,
            "master_name": REDIS_MASTER_NAME,
            "password": REDIS_PASSWORD or None,
            "sentinel_password": REDIS_SENTINEL_PASSWORD or None,
            "db": 1,
        },
    }
}
_auth = f":{quote(REDIS_PASSWORD, safe='')}@" if REDIS_PASSWORD else ""
CELERY_BROKER_URL = ";".join(f"sentinel://{_auth}{h}:{p}/0" for h, p in SENTINELS)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "master_name": REDIS_MASTER_NAME,
    "sentinel_kwargs": {
        "password": REDIS_SENTINEL_PASSWORD or None,
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
    },
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    # A worker waits for messages without a time limit: only these let it notice a
    # master whose node is gone (no FIN, no RST).
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 5,
        socket.TCP_KEEPINTVL: 2,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 12000,
    },
    "visibility_timeout": 600,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # keep trying
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 5,
    "interval_start": 0.2,
    "interval_step": 0.5,
    "interval_max": 2,
}
CELERY_TASK_IGNORE_RESULT = True  # Misago reads no results: no result backend
# a task of a worker that died is done again; Misago's tasks are safe to repeat
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 100
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE

# --- files (three volumes) --------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env("WESAGO_STATIC_ROOT", "/srv/wesago/static")
MEDIA_URL = "/media/"
MEDIA_ROOT = env("WESAGO_MEDIA_ROOT", "/srv/wesago/media")
MISAGO_AVATAR_GALLERY = env("WESAGO_AVATAR_GALLERY", "/srv/wesago/avatar-gallery")
MISAGO_USER_DATA_DOWNLOADS_WORKING_DIR = env("WESAGO_USERDATA_DIR", "/tmp/wesago-userdata")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # names carry a hash of the content; needs static/staticfiles.json at run time
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    },
}

# --- e-mail -----------------------------------------------------------------
EMAIL_HOST = env("EMAIL_HOST", "")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.console.EmailBackend"
)
EMAIL_PORT = int(env("EMAIL_PORT", "25"))
EMAIL_HOST_USER = env("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = env("EMAIL_PASSWORD", "")
EMAIL_USE_TLS = flag("EMAIL_USE_TLS")
EMAIL_USE_SSL = flag("EMAIL_USE_SSL")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", "Wesago <noreply@wesago.k3s>")

# --- what Misago asks of a Django project --------------------------------------
AUTH_USER_MODEL = "misago_users.User"
AUTHENTICATION_BACKENDS = ["misago.users.authbackends.MisagoBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "email"]},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 8},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "misago.core.errorpages.csrf_failure"
LOGIN_URL = "misago:login"
LOGOUT_URL = "misago:logout"
LOGIN_REDIRECT_URL = "misago:index"
REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["misago.core.rest_permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "misago.core.exceptionhandler.handle_api_exception",
    "UNAUTHENTICATED_USER": "misago.users.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
}
SOCIAL_AUTH_STRATEGY = "misago.socialauth.strategy.MisagoStrategy"
SOCIAL_AUTH_JSONFIELD_ENABLED = True
SOCIAL_AUTH_PIPELINE = [
    *(
        f"social_core.pipeline.social_auth.{step}"
        for step in ("social_details", "social_uid", "social_user")
    ),
    *(
        f"misago.socialauth.pipeline.{step}"
        for step in (
            "associate_by_email",
            "validate_ip_not_banned",
            "validate_user_not_banned",
            "get_username",
            "create_user_with_form",
        )
    ),
    "social_core.pipeline.social_auth.associate_user",
    "social_core.pipeline.social_auth.load_extra_data",
    "misago.socialauth.pipeline.require_activation",
]
MISAGO_SEARCH_CONFIG = env("WESAGO_SEARCH_CONFIG", "simple")
# Misago's posting steps, but notifications leave after the commit (posting.py)
MISAGO_POSTING_MIDDLEWARES = [
    "wesago.posting.NotificationsMiddleware"
    if step.endswith(".notifications.NotificationsMiddleware")
    else step
    for step in POSTING_STEPS
]
MISAGO_ADMIN_PATH = env("WESAGO_ADMIN_PATH", "admincp")
MISAGO_THREADS_ON_INDEX = flag("WESAGO_THREADS_ON_INDEX", True)
MISAGO_PROFILE_FIELDS = [
    {
        "name": "Personal",
        "fields": [
            f"misago.users.profilefields.default.{field}"
            for field in ("RealNameField", "GenderField", "BioField", "LocationField")
        ],
    },
    {"name": "IP address", "fields": ["misago.users.profilefields.default.JoinIpField"]},
]

# --- logs to stdout -----------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stdout"], "level": env("WESAGO_LOG_LEVEL", "INFO")},
}
