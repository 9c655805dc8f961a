"""Weights moved between files and frameworks."""
