"""Vision transformers in one or several stages."""

from nas.supernet import Family
from search_spaces.vit.autoformer import autoformer_b, autoformer_s, autoformer_t
from search_spaces.vit.resnas import resnas_medium, resnas_small, resnas_tiny
from search_spaces.vit.s3 import s3_b, s3_s, s3_t

FAMILY = Family(
    presets={
        "autoformer-t": autoformer_t,
        "autoformer-s": autoformer_s,
        "autoformer-b": autoformer_b,
        "resnas-tiny": resnas_tiny,
        "resnas-small": resnas_small,
        "resnas-medium": resnas_medium,
        "s3-t": s3_t,
        "s3-s": s3_s,
        "s3-b": s3_b,
    },
    default="autoformer-t",
    summary="vision transformers with searched widths, heads and depths",
)
