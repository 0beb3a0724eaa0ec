"""A sub-network on its way out: plain PyTorch source and weights, and ONNX and other files that were compared with it."""

from nas.exporting.comparison import Comparison, Run, compare
from nas.exporting.formats import FLOAT32_TOLERANCE, Format, Source
from nas.exporting.onnx_file import compare_onnx, export_onnx
from nas.exporting.plain import load_plain, write_plain
from nas.exporting.preprocessing import Preprocessing, preprocessing_of
from nas.exporting.rounding import rounding_error, tolerated
from nas.exporting.scoring import Scoring, in_torch, scored

__all__ = [
    "FLOAT32_TOLERANCE",
    "Comparison",
    "Format",
    "Preprocessing",
    "Run",
    "Scoring",
    "Source",
    "compare",
    "compare_onnx",
    "export_onnx",
    "in_torch",
    "load_plain",
    "preprocessing_of",
    "rounding_error",
    "scored",
    "tolerated",
    "write_plain",
]
