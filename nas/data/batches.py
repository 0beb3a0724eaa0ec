"""Batches: random ones for training that depend on the step alone, and fixed ones for calibrating and scoring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from nas.base.errors import NasError, unknown
from nas.base.seeds import generator
from nas.data.augment import Augmentation, Draws, draw
from nas.data.dataset import ImageData
from nas.data.images import Indices, Pixels, Split
from nas.data.mixing import mix
from nas.data.moves import crop, cut_out, flip
from nas.data.normalise import Normaliser, to_images, to_pixels
from nas.data.rand_augment import rand_augment
from nas.data.splits import balanced_order
from nas.data.tasks import LearningTask


@dataclass(frozen=True)
class Batch:
    """Images float32 (B, C, R, R), normalised, channels-last; targets int64 (B,), of mixed images and of tasks other than
    classification float32 (B, outputs)."""

    images: torch.Tensor
    targets: torch.Tensor

    @property
    def labels(self) -> torch.Tensor:
        """int64 (B,): the class of each image, of a mixed one the class that has most of it."""
        return self.targets if self.targets.ndim == 1 else self.targets.argmax(1)


class TrainingBatches:
    """Endless augmented training batches; the one at a step is a pure function of the seed and the step.

    `steps_per_epoch` whole batches make an epoch; what is left over is dropped. Raises NasError when the batch size
    exceeds the training images, or a length of the augmentation their side.

    Attributes:
        mean, std: of each channel, with which pixels from 0 to 1 are normalised.
        task: what is learned from them.

    Args:
        share: from which to which part of the training images, 0 to 1; each part holds the classes in proportion. Parts that
            do not overlap have no image in common, whatever the seed.
        part: which of how many equal parts of each batch is wanted, counted from 0: processes that train together take one
            each. `batch_size` is that of the whole batch, and whatever is random is drawn for the whole batch, so that the
            parts make up the batch of a single process; only this part's images are decoded and augmented, and those they
            are mixed with.
        task: that of the data by default; another one where its loss weighs classes.
    """

    def __init__(
        self,
        data: ImageData,
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
        share: tuple[float, float] = (0.0, 1.0),
        part: tuple[int, int] = (0, 1),
        task: LearningTask | None = None,
    ) -> None:
        _check_batch_size(batch_size)
        self._images = _share(data, share)
        if batch_size > len(self._images):
            kept = "" if share == (0.0, 1.0) else f" (a share of {share[1] - share[0]:g} of them)"
            raise NasError(
                f"the batch size {batch_size} exceeds the {len(self._images)} training images of {data.name}{kept}; "
                f"legal: 1 to {len(self._images)}"
            )
        if seed < 0:
            raise NasError(f"the seed {seed} is negative; legal: 0 and above")
        if batch_size % part[1]:
            raise NasError(
                f"{part[1]} processes train together, and the batch size {batch_size} is no multiple of that; use for example "
                f"--set batch_size={-(-batch_size // part[1]) * part[1]}"
            )
        self.steps_per_epoch = len(self._images) // batch_size
        each = batch_size // part[1]
        self._own = np.arange(part[0] * each, (part[0] + 1) * each)
        self._augmentation = data.augmentation if augmentation is None else augmentation
        self._augmentation.check(data.resolution)
        self._split = data.train
        self._side = data.resolution
        self.task = data.task if task is None else task
        self._batch_size = batch_size
        self._seed = seed
        # A share has orders of its own; the whole keeps the plain stream.
        self._stream = ("epoch",) if share == (0.0, 1.0) else ("epoch", repr(share))
        self.mean, self.std = tuple(data.mean), tuple(data.std)
        self._normalise = Normaliser(data.mean, data.std, data.resolution)
        self._last: tuple[int, Indices] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs. Raises NasError at a corrupt image."""
        chosen = self._chosen(step)
        drawn = draw(self._augmentation, self._batch_size, self._side, generator(self._seed, "augment", step))
        mixing, needed = drawn.mixing, self._own
        if mixing is not None:
            partners = mixing.partner[self._own]
            needed = np.concatenate([self._own, np.setdiff1d(partners, self._own)])
            places = np.empty(self._batch_size, dtype=np.int64)
            places[needed] = np.arange(len(needed))
            mixing = mixing.of(places[partners])
        values = self._augmented(chosen[needed], drawn.of(needed))
        targets = torch.from_numpy(self._split.labels[chosen[needed]])
        if mixing is not None:
            values, targets = mix(values, self.task.mixable(targets), mixing)
        return Batch(to_images(values), targets)

    def plain(self, step: int) -> Batch:
        """The same images and labels as they are, for rules with augmentations of their own."""
        chosen = self._chosen(step)[self._own]
        values = self._normalise(to_pixels(self._split.images(chosen)))
        return Batch(to_images(values), torch.from_numpy(self._split.labels[chosen]))

    def _chosen(self, step: int) -> Indices:
        """Which images make the whole batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return self._permutation(epoch)[place * self._batch_size :][: self._batch_size]

    def _augmented(self, chosen: Indices, drawn: Draws) -> torch.Tensor:
        """Normalised values (B, R, R, C) of some images, with what is done to each image by itself."""
        augmentation = self._augmentation
        pixels: Pixels = to_pixels(self._split.images(chosen))
        if drawn.offsets is not None:
            pixels = crop(pixels, augmentation.crop_padding, drawn.offsets)
        if drawn.mirrored is not None:
            flip(pixels, drawn.mirrored)
        if augmentation.randaugment is not None and drawn.operators is not None and drawn.signs is not None:
            rand_augment(pixels, augmentation.randaugment[1], drawn.operators, drawn.signs)
        values = self._normalise(pixels)
        if drawn.centres is not None:
            cut_out(values, augmentation.cutout, drawn.centres)
        return values

    def _permutation(self, epoch: int) -> Indices:
        if self._last is None or self._last[0] != epoch:
            order = generator(self._seed, *self._stream, epoch).permutation(len(self._images))
            self._last = (epoch, self._images[order])
        return self._last[1]


def fixed_batches(data: ImageData, split: str, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
    """The images of 'train', 'validation' or 'test' without augmentation, one batch at a time; the last may be smaller.

    The order mixes the classes evenly and is always the same, whatever the seed of a run. With a `limit` only that many
    images are used, the classes in proportion: a small limit gives a prefix of a larger one. Keep the batches in a list
    where they are used again. Raises NasError at an unknown split, a batch size or limit below 1, and a corrupt image.
    """
    _check_batch_size(batch_size)
    if limit is not None and limit < 1:
        raise NasError(f"the limit {limit} leaves no image; legal: 1 and above, or None for all images")
    chosen_split = _split(data, split)
    order = balanced_order(data.task.groups(chosen_split.labels))[:limit]
    normalise = Normaliser(data.mean, data.std, data.resolution)

    def batch(start: int) -> Batch:
        chosen = order[start : start + batch_size]
        values = normalise(to_pixels(chosen_split.images(chosen)))
        return Batch(to_images(values), torch.from_numpy(chosen_split.labels[chosen]))

    return map(batch, range(0, len(order), batch_size))


def _share(data: ImageData, share: tuple[float, float]) -> Indices:
    """The numbers of the training images in a share."""
    if share == (0.0, 1.0):
        return np.arange(len(data.train))
    first, last = (round(edge * len(data.train)) for edge in share)
    return balanced_order(data.task.groups(data.train.labels))[first:last]


def _split(data: ImageData, name: str) -> Split:
    splits = data.splits
    if name not in splits:
        raise unknown("split", name, splits)
    return splits[name]


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise NasError(f"the batch size {batch_size} is not positive; legal: 1 and above")
