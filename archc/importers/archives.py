"""What `zipfile` raises for an archive that is cut, or not as its own directory says."""

from __future__ import annotations

import zipfile
import zlib

UNSOUND = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
"""NotImplementedError is raised for a method of compression, RuntimeError for encryption."""
