"""The documentation: pages, and the generator of those that are derived."""
