"""Verification run for real: both frameworks, in processes of their own."""
