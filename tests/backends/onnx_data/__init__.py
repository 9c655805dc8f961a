"""ONNX's own operator tests as an outside judge: each becomes a spec, whose emitted networks must
give the output that the case prescribes."""
