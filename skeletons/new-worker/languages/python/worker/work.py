"""What the worker does with a message."""

import logging

from worker.queue import Message

log = logging.getLogger("worker")


class RefusedError(Exception):
    """No further try will help: the message goes to the dead letters at once."""


def handle(message: Message) -> None:
    """Do what one message asks for. Put your work here.

    A message may come twice: the process may end after the work is done and before the queue knows. So what is done
    here must be right when done again; remember `message.id` together with its result, in the same transaction.

    An exception means another try after a while, RefusedError none. It must end within RETRY_SECONDS.
    """
    if "body" not in message.fields:
        raise RefusedError("it has no field 'body'")
    log.info("handled %s: %d bytes", message.id, len(message.fields["body"]))
