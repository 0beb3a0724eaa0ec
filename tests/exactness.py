"""The contract of every supernet: what is extracted computes the same, and costs are what an independent count finds."""

from __future__ import annotations

import logging
import warnings

import torch
from fvcore.nn import FlopCountAnalysis

from nas.architectures.decisions import Rows
from nas.supernet import Space, Task


def assert_exact(space: Space, rows: Rows, task: Task) -> None:
    """The supernet and each extracted network compute the same, in batches of 1 and 5, and the counts are fvcore's."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    supernet = space.supernet(task.channels, task.resolution, task.classes)
    images = torch.randn(5, *task.input_shape, generator=torch.Generator().manual_seed(1))
    macs, params = (space.compiled(metric, task)(rows) for metric in ("macs", "params"))
    for index, row in enumerate(rows):
        supernet.activate(row)
        statistics = supernet.calibrate([images])
        extracted = supernet.extract(row, statistics).eval()
        supernet.eval()
        with supernet.using(statistics), torch.no_grad():
            for batch in (1, 5):
                expected = supernet(images[:batch])
                assert expected.shape == (batch, task.classes)
                torch.testing.assert_close(extracted(images[:batch]), expected, rtol=1e-4, atol=1e-5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counted = FlopCountAnalysis(extracted, images[:1]).unsupported_ops_warnings(False).by_operator()
        assert macs[index] == counted["conv"] + counted["linear"], row
        assert params[index] == sum(parameter.numel() for parameter in extracted.parameters()), row
