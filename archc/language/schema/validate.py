"""Validation of a spec file against the schema."""

from __future__ import annotations

from functools import cache

from archc.language.schema import schema
from archc.language.schema.conformance import Conformance
from archc.language.schema.findings import Findings
from archc.language.values import Value


def validate(document: Value) -> Findings:
    """Check a document against the schema. Raises SpecError if it has more than MOST_DIAGNOSTICS
    errors: then nothing else can be told of it.

    Only a document that does not conform is read by the validator that tells why.

    Codes: ARC201 unknown key, ARC202 missing key, ARC203 a value of the wrong type, ARC204 unknown
    op, ARC301 an expression truncated at a comma, ARC402 a merge without inputs.
    """
    if _conformance()(document):
        return Findings([], set(), {})
    # Loaded where there are errors: with its hints it takes as long as to read a short spec.
    from archc.language.schema.diagnose import diagnose

    return diagnose(document, _conformance())


@cache
def _conformance() -> Conformance:
    return Conformance(schema())
