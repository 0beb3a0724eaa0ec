"""Images and labels: digits, class folders, Parquet files, CSV files and objects in Python, as seeded splits and batches."""

from nas.data.augment import NO_AUGMENTATION, Augmentation
from nas.data.batches import Batch, TrainingBatches, fixed_batches
from nas.data.dataset import ImageData, load_data
from nas.data.images import Split
from nas.data.labelled import Expected, Labelled, load_labelled
from nas.data.reading import Reading
from nas.data.tasks import CLASSIFICATION, LearningTask

__all__ = [
    "CLASSIFICATION",
    "NO_AUGMENTATION",
    "Augmentation",
    "Batch",
    "Expected",
    "ImageData",
    "LearningTask",
    "Reading",
    "Labelled",
    "Split",
    "TrainingBatches",
    "fixed_batches",
    "load_data",
    "load_labelled",
]
