"""ONNX Runtime reads every operator that is emitted, and computes in float32 what the op means."""

from __future__ import annotations

import pytest

from archc.ops import OPS
from archc.verify import Workers
from archc.verify.settings import Settings
from tests.backends.ops.cases import batches
from tests.backends.ops.test_ops import mismatches

IN_FLOAT32 = Settings(dtype="float32")
TOLERANCE = 2e-4


@pytest.mark.parametrize("op", OPS)
def test_computes_what_the_op_means(op: str, workers: Workers) -> None:
    errors = [
        f"{batch}: {error}"
        for batch in batches()[op]
        for error in mismatches(batch, "onnx", workers, IN_FLOAT32, TOLERANCE)
    ]
    assert not errors, "\n".join(errors)
