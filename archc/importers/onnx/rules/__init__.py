"""Operations of ONNX as ops of archc: single ones by `translate`, several that are one op by
`patterns`."""
