"""ONNX files, as messages and as bytes.

Written and read here rather than by the `onnx` package: that imports numpy, its bytes move with
the version of protobuf, and it is no more than these few tables. Tests hold every file written
against `onnx` itself: its checker, its shape inference and its own bytes.
"""

PRODUCER = "archc"
"""What the files of archc's own backend say that they are made by."""
