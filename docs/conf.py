"""Sphinx reads the folder that `python -m docs.generate` writes, by `make docs`.

Sphinx: it checks references, has search without a server and derives the Python API. MyST: the
pages are Markdown, which is read in the repository, too. Furo: it fits a phone, and loads nothing
from a network.
"""

from __future__ import annotations

from archc.version import __version__

project = "archc"
author = "archc developers"
release = version = __version__
language = "en"
smartquotes = False  # two hyphens are the begin of an option

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Docstrings mark code by single backticks.
default_role = "literal"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"archc {release}"
html_static_path = ["static"]
html_css_files = ["archc.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "native"
