"""The commit of a transaction, with retries while its outcome is unknown."""

import time

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from repositories.concurrency.backoff import Backoff
from repositories.database.errors import was_interrupted


class CommitUnknown(Exception):
    """The commit was sent, and the database did not answer within the deadline."""


def commit(session: ClientSession, backoff: Backoff) -> None:
    """Commit. If the outcome is unknown, send the same commit again: the server applies it only once.

    :raises CommitUnknown: the database did not answer.
    :raises PyMongoError: nothing was committed.
    """
    while True:
        try:
            session.commit_transaction()
        except PyMongoError as error:
            # The interruption may have come too late to stop the commit: a second commit tells.
            if not error.has_error_label("UnknownTransactionCommitResult") and not was_interrupted(error):
                raise
            pause = backoff.pause()
            if pause is None:
                raise CommitUnknown from error
            time.sleep(pause)
        else:
            return
