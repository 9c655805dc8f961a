"""The pages of documentation: every block of code on them runs."""
