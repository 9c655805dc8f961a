"""The start-up log of frameworks, which says nothing of a run: it is kept back, errors are not."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

NOTICE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} \d\d:\d\d:")
"""How lines begin that TensorFlow writes while it is imported, whatever its level of logging: that
the log is not open yet, information and warnings. Lines of errors begin with E or F."""
STDERR = 2


@contextmanager
def quiet_startup() -> Iterator[None]:
    """Keep back what is written to standard error in the block, and write it afterwards without
    notices. Nothing is kept back where there is no standard error, and where the user asks for the
    whole log."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    try:
        kept = os.dup(STDERR)
    except OSError:
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, STDERR)
            os.close(kept)
            log.seek(0)
            for line in log:
                if NOTICE.match(line) is None:
                    os.write(STDERR, line)
