"""What `archc verify` says of a network: every layer on both backends in float64."""

from __future__ import annotations

from archc.verify import Settings, Workers, verify
from archc.verify.workers import WorkerError
from tests.backends.networks import shipped
from tests.backends.transformers_models import small
from tests.zoo.theirs import LANGUAGE_MODELS


def verification(name: str, workers: Workers) -> dict[str, object]:
    """Its verdict, the number of layers that were compared, and the largest difference of one, as a
    share of what it is compared with; of language models in a small size."""
    network = small(name) if name in LANGUAGE_MODELS else shipped(name)
    try:
        result = verify(network, Settings(), workers=workers)
    except WorkerError as error:
        return {"error": str(error)[:200]}
    largest = max(one.relative for one in result.differences)
    return {"verdict": result.verdict, "layers": len(result.rows), "largest": largest}
