"""A sub-network on its way out: plain PyTorch source and weights, and ONNX that was compared with it."""

from nas.exporting.onnx_file import Comparison, compare_onnx, export_onnx
from nas.exporting.plain import load_plain, write_plain
from nas.exporting.rounding import rounding_error, tolerated

__all__ = ["Comparison", "compare_onnx", "export_onnx", "load_plain", "rounding_error", "tolerated", "write_plain"]
