"""Channels, native resolution, resizing, caching and corrupt pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas.data.images
from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.data import ImageData, load_data

Fill = Callable[..., None]
Encode = Callable[..., bytes]
Picture = Callable[..., Image.Image]


def every(data: ImageData) -> torch.Tensor:
    splits = (data.train, data.validation, data.test)
    return torch.cat([split.images(np.arange(len(split))) for split in splits])


def save(root: Path, picture: Image.Image, suffix: str = "png") -> None:
    """Six copies in two classes."""
    for name in "ab":
        (root / name).mkdir(exist_ok=True)
        for number in range(3):
            picture.save(root / name / f"{number}.{suffix}")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(48, 48)], 48),
        ([(64, 64)], 64),
        ([(65, 65)], 224),
        ([(32, 32), (33, 33)], 224),
        ([(32, 40)], 224),
        ([(4, 4)], 8),
    ],
)
def test_native_resolution(tmp_path: Path, fill: Fill, sizes: list[tuple[int, int]], expected: int) -> None:
    for name, size in zip("ab", sizes * 2, strict=False):
        fill(tmp_path, {name: 3}, size=size)
    data = load_data(tmp_path)
    assert data.resolution == expected
    assert every(data).shape == (6, 3, expected, expected)


def test_odd_sizes_among_later_classes_are_noticed(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"a": 100}, size=(16, 16))
    fill(tmp_path, {"b": 10}, size=(20, 16))
    assert load_data(tmp_path).resolution == 224


@pytest.mark.parametrize(("modes", "channels"), [("LL", 1), ("1L", 1), ("1R", 3), ("RR", 3), ("PP", 3)])
def test_channels(tmp_path: Path, fill: Fill, modes: str, channels: int) -> None:
    for name, mode in zip("ab", modes, strict=True):
        fill(tmp_path, {name: 3}, mode="RGB" if mode == "R" else mode)
    data = load_data(tmp_path)
    assert data.channels == len(data.mean) == len(data.std) == channels
    assert every(data).shape == (6, channels, 16, 16)


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    save(tmp_path, Image.fromarray(ramp))
    data = load_data(tmp_path)
    assert data.channels == 1
    assert torch.equal(every(data)[0, 0].flatten(), torch.arange(256, dtype=torch.uint8))


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "bmp", "webp", "gif", "tif", "ppm"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    save(tmp_path, flat, suffix)
    assert (every(load_data(tmp_path)).float() - torch.tensor([200.0, 100, 50]).view(3, 1, 1)).abs().max() < 12


@pytest.mark.parametrize("size", [(40, 20), (20, 40)])
def test_the_centre_is_cropped(tmp_path: Path, picture: Picture, size: tuple[int, int]) -> None:
    whole = picture(0, size)
    save(tmp_path, whole)
    shrunk = np.asarray(whole.resize((size[0] // 2, size[1] // 2), Image.Resampling.BILINEAR))
    top, left = (shrunk.shape[0] - 10) // 2, (shrunk.shape[1] - 10) // 2
    found = every(load_data(tmp_path, resolution=10))[0].permute(1, 2, 0).numpy()
    assert np.abs(found.astype(int) - shrunk[top : top + 10, left : left + 10]).max() <= 1


def test_shrinking_averages(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    save(tmp_path, Image.fromarray(board))
    inner = every(load_data(tmp_path, resolution=16))[:, :, 2:-2, 2:-2].float()
    assert (inner - 127.5).abs().max() < 2


def test_a_large_jpeg_is_close_to_plain_resizing(tmp_path: Path, picture: Picture) -> None:
    smooth = picture(1, (6, 6)).resize((400, 400), Image.Resampling.BICUBIC)
    save(tmp_path, smooth, "jpg")
    with Image.open(tmp_path / "a" / "0.jpg") as opened:
        plain = np.asarray(opened.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    found = every(load_data(tmp_path, resolution=32))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - plain).max() <= 4


@pytest.mark.parametrize("resolution", [16, 96])
def test_cached_and_uncached_images_are_the_same(
    tmp_path: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch, resolution: int
) -> None:
    fill(tmp_path, {"a": 60, "b": 60})
    cached = load_data(tmp_path, resolution=resolution)
    monkeypatch.setattr(nas.data.images, "CACHE_LIMIT", 0)
    uncached = load_data(tmp_path, resolution=resolution)
    order = np.random.default_rng(0).integers(0, len(cached.train), 50)
    assert torch.equal(cached.train.images(order), uncached.train.images(order))
    for name in "ab":
        for path in (tmp_path / name).iterdir():
            path.unlink()
    cached.train.images(order)
    with pytest.raises(NasError, match=r"\.png cannot be decoded as an image \(FileNotFoundError"):
        uncached.train.images(order)


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "header"])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("cache", [0, 2**30])
def test_a_corrupt_image_is_left_out_and_named(
    tmp_path: Path, fill: Fill, encode: Encode, monkeypatch: pytest.MonkeyPatch, damage: str, split: str, cache: int
) -> None:
    monkeypatch.setattr(nas.data.images, "CACHE_LIMIT", cache)
    for name in ("train", "val", "test"):
        fill(tmp_path / name, {"a": 3, "b": 3})
    before = load_data(tmp_path)
    whole, file = encode(0), tmp_path / split / "b" / "001.png"
    content = {"empty": b"", "text": b"<html>", "truncated": whole[: len(whole) // 2], "header": whole[:20]}[damage]
    file.write_bytes(content)
    data = load_data(tmp_path)
    assert list(data.left_out) == [str(file)]
    assert data.note == "1 image could not be decoded and was left out"
    parts = {"train": (before.train, data.train), "test": (before.test, data.test)}
    kept = [0, 1, 2, 3, 5]
    for name, (was, now) in parts.items():
        expected = was.images(np.array(kept if name == split else range(6)))
        assert torch.equal(now.images(np.arange(len(now))), expected)
        assert now.labels.tolist() == was.labels[kept if name == split else range(6)].tolist()
    assert data.fingerprint != before.fingerprint
    again = load_data(tmp_path, left_out=list(data.left_out))
    assert again.fingerprint == data.fingerprint and list(again.left_out) == list(data.left_out)


class Listening(Silent):
    """Notes all that it is told of progress."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.heard.append((title, total))

    def advance(self, done: int, note: str = "") -> None:
        self.heard.append(("done", done))

    def finish(self) -> None:
        self.heard.append(("finished", 0))


@pytest.mark.parametrize("cache", [0, 2**30])
def test_it_is_told_how_far_the_decoding_is(tmp_path: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch, cache: int) -> None:
    monkeypatch.setattr(nas.data.images, "CACHE_LIMIT", cache)
    monkeypatch.setattr(nas.data.images, "_SCANNED", 4)
    for name in ("train", "val", "test"):
        fill(tmp_path / name, {"a": 3, "b": 3})
    reporter, silent = Listening(), Listening()
    load_data(tmp_path, reporter=reporter)
    steps = [("done", count) for count in (4, 6, 10, 12, 16, 18)]
    assert reporter.heard == [("reading images", 18), *steps, ("finished", 0)]
    load_data(tmp_path, left_out=[], reporter=silent)
    assert silent.heard == [], "what was decoded before is not decoded again"


def test_what_is_left_out_moves_no_other_image(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path, {"a": 20, "b": 20})
    before = load_data(tmp_path)
    (tmp_path / "a" / "003.png").write_bytes(b"broken")
    after = load_data(tmp_path)
    for was, now in ((before.train, after.train), (before.validation, after.validation), (before.test, after.test)):
        found = {image.numpy().tobytes() for image in now.images(np.arange(len(now)))}
        assert found <= {image.numpy().tobytes() for image in was.images(np.arange(len(was)))}
    assert len(after.train) + len(after.validation) + len(after.test) == 39


def test_too_many_corrupt_images_are_an_error(tmp_path: Path, fill: Fill) -> None:
    fill(tmp_path / "train", {"a": 9, "b": 3})
    for number in range(3):
        (tmp_path / "train" / "b" / f"00{number}.png").write_bytes(b"broken")
    with pytest.raises(NasError, match=r"no training image of 'b' can be decoded; the first is .*b/00\d\.png"):
        load_data(tmp_path)
    for number in range(8):
        (tmp_path / "train" / "a" / f"00{number}.png").write_bytes(b"broken")
    with pytest.raises(NasError, match=r"images cannot be decoded; the first is .*00\d\.png \(it is not one of JPEG"):
        load_data(tmp_path)


def test_an_image_that_is_damaged_later_is_named(tmp_path: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nas.data.images, "CACHE_LIMIT", 0)
    fill(tmp_path / "train", {"a": 3, "b": 3})
    fill(tmp_path / "test", {"a": 3})
    data = load_data(tmp_path)
    (tmp_path / "test" / "a" / "002.png").write_bytes(b"broken")
    data.test.images(np.array([0, 1]))
    for _ in range(2):
        with pytest.raises(NasError, match=r"002\.png cannot be decoded"):
            data.test.images(np.arange(3))
    assert data.test.images(np.array([1])).shape == (1, 3, 16, 16)
