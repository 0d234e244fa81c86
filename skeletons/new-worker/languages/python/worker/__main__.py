"""Work until told to stop: `python -m worker`."""

import logging
import os
import signal
import sys
from threading import Event

from redis.exceptions import RedisError

from worker.loop import Loop
from worker.probes import answering
from worker.queue import Queue, connect
from worker.settings import read_settings
from worker.telemetry import traced
from worker.work import handle

log = logging.getLogger("worker")


def main() -> int:
    """Run until SIGTERM or SIGINT; the message at hand is finished first."""
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "info").upper(), format="%(levelname)s %(message)s")
    try:
        settings = read_settings()
    except ValueError as error:
        log.error("the environment is wrong: %s", error)
        return 2
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with connect(settings) as redis, traced():
        queue = Queue(redis, settings)
        loop = Loop(
            queue,
            handle,
            name=settings.queue,
            max_attempts=settings.max_attempts,
            retry_seconds=settings.retry_seconds,
        )
        with answering(settings.port, loop.is_alive):
            log.info("taking from %s as %s of %s", settings.queue, settings.consumer, settings.group)
            loop.run(stop)
        try:
            queue.leave()
        except RedisError as error:
            log.warning("the queue does not answer: %s", error)
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
