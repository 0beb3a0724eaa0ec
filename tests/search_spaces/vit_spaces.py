"""The presets of vision transformers."""

from __future__ import annotations

PRESETS = (
    "autoformer-t",
    "autoformer-s",
    "autoformer-b",
    "resnas-tiny",
    "resnas-small",
    "resnas-medium",
    "s3-t",
    "s3-s",
    "s3-b",
)
