"""Hostile specs: payloads in all places of a spec, each refused or inert in every output."""
