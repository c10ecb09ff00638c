"""Sends the notifications of a reply after the reply is saved, not while.

Misago tells Celery about a reply inside the reply's own transaction: without a broker the reply is
lost with an HTTP 500, and a fast worker looks for a post that isn't committed yet. Here the message
leaves after the commit, and a broker that can't be reached costs the notification, not the reply.
"""

import logging

from django.db import transaction
from kombu.exceptions import OperationalError
from misago.notifications.tasks import notify_on_new_thread_reply
from misago.notifications.threads import watch_replied_thread, watch_started_thread
from misago.threads.api.postingendpoint import PostingEndpoint, PostingMiddleware

log = logging.getLogger(__name__)


def announce(post_id):
    """Puts the notification task of a committed reply into the queue."""
    try:
        notify_on_new_thread_reply.delay(post_id)
    except OperationalError as error:
        log.error("no notifications for post %s, broker not reached: %s", post_id, error)


class NotificationsMiddleware(PostingMiddleware):
    """Takes the place of Misago's posting step of the same name."""

    def use_this_middleware(self):
        return self.mode != PostingEndpoint.EDIT

    def post_save(self, serializer):
        if self.mode == PostingEndpoint.START:
            watch_started_thread(self.user, self.thread)
            return
        watch_replied_thread(self.user, self.thread)
        post_id = self.post.id
        transaction.on_commit(lambda: announce(post_id))
