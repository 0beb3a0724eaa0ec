"""Images and labels: digits, class folders and Parquet files, as seeded splits and batches."""

from nas.data.augment import NO_AUGMENTATION, Augmentation
from nas.data.batches import Batch, TrainingBatches, fixed_batches
from nas.data.dataset import ImageData, load_data
from nas.data.images import Split

__all__ = [
    "NO_AUGMENTATION",
    "Augmentation",
    "Batch",
    "ImageData",
    "Split",
    "TrainingBatches",
    "fixed_batches",
    "load_data",
]
