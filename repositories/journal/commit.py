"""The end of a transaction: committed, or nobody knows."""

import time

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from repositories.concurrency.backoff import Backoff
from repositories.database.errors import was_interrupted


class CommitUnknown(Exception):
    """The commit was sent, and no answer came within the deadline."""


def commit(session: ClientSession, backoff: Backoff) -> None:
    """Commits; where the outcome is unknown, asks again with the same commit, which the server takes only once.

    :raises CommitUnknown: no answer came.
    :raises PyMongoError: nothing was committed.
    """
    while True:
        try:
            session.commit_transaction()
        except PyMongoError as error:
            # An interruption may have come too late to stop the commit: asked again, the server knows.
            if not error.has_error_label("UnknownTransactionCommitResult") and not was_interrupted(error):
                raise
            pause = backoff.pause()
            if pause is None:
                raise CommitUnknown from error
            time.sleep(pause)
        else:
            return
