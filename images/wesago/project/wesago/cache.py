"""Django's own Redis cache, with two things added.

It finds the master through Redis Sentinel, and a cache that can't be reached counts as an empty one
instead of an error page.
"""

import logging
import time

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError, TimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

RETRIED = [ConnectionError, TimeoutError, ReadOnlyError]
# without a try after a failed one, in which every look-up would cost its timeout again
PAUSE_SECONDS = 1.0
log = logging.getLogger(__name__)


class SentinelCacheClient(RedisCacheClient):
    """A client whose one connection pool always leads to the master of now."""

    def __init__(
        self, servers, sentinels=(), master_name="", sentinel_password=None, **options
    ):
        super().__init__(servers)
        self._sentinels = [tuple(address) for address in sentinels]
        self._master_name = master_name
        self._sentinel_options = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
        if sentinel_password:
            self._sentinel_options["password"] = sentinel_password
        self._connection_options = {
            "socket_timeout": 1,
            "socket_connect_timeout": 0.5,
            "health_check_interval": 15,
            "retry": Retry(ConstantBackoff(0.1), 1),
            "retry_on_error": RETRIED,
            **options,
        }

    @cached_property
    def _pool(self):
        sentinel = Sentinel(self._sentinels, sentinel_kwargs=self._sentinel_options)
        for client in sentinel.sentinels:  # no noise from __del__ at exit (redis-py 5.0)
            client.auto_close_connection_pool = False
        return SentinelConnectionPool(
            self._master_name, sentinel, **self._connection_options
        )

    def _get_connection_pool(self, write):
        # Reads go to the master too: Misago reads back what it has just written.
        return self._pool


class SentinelRedisCache(RedisCache):
    """The cache backend: every operation has an answer when Redis has none."""

    _down_until = 0.0

    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = SentinelCacheClient

    def _try(self, method, default, *args, **kwargs):
        """Calls Django's method of that name, or answers `default` while the cache is away."""
        if time.monotonic() < self._down_until:
            return default
        try:
            return getattr(super(), method)(*args, **kwargs)
        except RedisError as error:
            SentinelRedisCache._down_until = time.monotonic() + PAUSE_SECONDS
            log.warning("cache not reached, going on without: %s", error)
            return default

    def get(self, key, default=None, version=None):
        return self._try("get", default, key, default, version)

    def get_many(self, keys, version=None):
        return self._try("get_many", {}, keys, version)

    def has_key(self, key, version=None):
        return self._try("has_key", False, key, version)

    def add(self, *args, **kwargs):
        return self._try("add", False, *args, **kwargs)

    def set(self, *args, **kwargs):
        return self._try("set", None, *args, **kwargs)

    def set_many(self, *args, **kwargs):
        return self._try("set_many", [], *args, **kwargs)

    def touch(self, *args, **kwargs):
        return self._try("touch", False, *args, **kwargs)

    def delete(self, *args, **kwargs):
        return self._try("delete", False, *args, **kwargs)

    def delete_many(self, *args, **kwargs):
        return self._try("delete_many", None, *args, **kwargs)
