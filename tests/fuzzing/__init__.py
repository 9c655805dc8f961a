"""Fuzzers of all that archc reads: bytes and structures mutated from a corpus, by a seed."""
