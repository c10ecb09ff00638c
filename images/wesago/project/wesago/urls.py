"""Addresses of the forum: Misago's own, its plugins', and its JavaScript translations."""

from django.conf import settings
from django.urls import include, path
from django.views.decorators.cache import cache_page
from django.views.i18n import JavaScriptCatalog
from misago import __version__
from misago.plugins.urlpatterns import discover_plugins_urlpatterns

# changes with the language and with Misago's version only
CATALOG_SECONDS = 14 * 24 * 3600
catalog = cache_page(CATALOG_SECONDS, key_prefix=f"i18n-{settings.LANGUAGE_CODE}-{__version__}")(
    JavaScriptCatalog.as_view(packages=["misago"])
)

urlpatterns = [
    *discover_plugins_urlpatterns(settings.INSTALLED_PLUGINS),
    path("", include("misago.urls", namespace="misago")),
    path("django-i18n.js", catalog, name="django-i18n"),
]

handler403 = "misago.core.errorpages.permission_denied"
handler404 = "misago.core.errorpages.page_not_found"
