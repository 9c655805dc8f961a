"""Specs that once went wrong, each with what it caught."""
