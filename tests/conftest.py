"""What tests of several folders share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from playwright.sync_api import Browser, sync_playwright

from archc.verify import Workers

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Threads that spin while they wait would take the time of the tests beside; and what `archc train`
# chooses by itself depends on what else the machine does, as the last bits do on the number.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "2")

# The same examples in every run, so that a verdict is the same twice; `make search` draws others.
# How long one takes depends on what else the machine does.
settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "same")
settings.load_profile(PROFILE)
if PROFILE == "same":
    # Hypothesis also tries constants of the modules that are imported by then: which these are
    # depends on the tests before.
    patch.object(providers, "_get_local_constants", lambda: providers._local_constants).start()


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """The processes that run emitted networks, started when they are first used."""
    with Workers() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window: one for all tests, as a process can drive no two."""
    found = [path for path in map(shutil.which, BROWSERS) if path is not None]
    if not found:
        pytest.skip("no Chromium is installed: `make browser` installs it where it can")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found[0], args=list(ARGUMENTS))
        yield running
        running.close()
