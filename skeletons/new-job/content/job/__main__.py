"""One run: `python -m job`. Its exit code says whether all is done."""

import logging
import os
import sys

from job.telemetry import traced
from job.work import WorkFailedError, work

log = logging.getLogger("job")


def main() -> int:
    """Run once."""
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "info").upper(), format="%(levelname)s %(message)s")
    with traced():
        try:
            # Put your work here: read what there is to do, and how one of it is done.
            done = work(["example"], lambda item: log.info("did %s", item))
        except WorkFailedError as error:
            log.error("not all is done: %s", error)
            return 1
    log.info("done: %d", done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
