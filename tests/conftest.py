"""What the tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Before torch is imported, and for the processes that tests start: threads of several processes would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from hypothesis import settings
from onnx_stand_in import without_exporter
from postgres_server import missing, running_server

from nas.architectures.decisions import Rows
from nas.supernet import Space, open_space

torch.set_num_threads(1)
settings.register_profile("nas", deadline=None, derandomize=True)
settings.load_profile("nas")


@pytest.fixture(scope="session", autouse=True)
def no_tables_of_the_users_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests may have added latency tables: tests see those that ship, and add their own elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def mbconv() -> Space:
    """The built-in single-path space, found as a user finds it."""
    return open_space("mbconv")


@pytest.fixture(scope="session")
def mbconv_rows(mbconv: Space) -> Rows:
    """400 random architectures of it, then the smallest and the largest."""
    drawn = mbconv.decisions.sample(np.random.default_rng(7), 400)
    return np.asfortranarray(np.concatenate([drawn, mbconv.encode([mbconv.smallest, mbconv.largest])]))


@pytest.fixture
def without_onnx() -> Iterator[None]:
    """The ONNX files of runs are empty: what is looked at is not in them."""
    with without_exporter():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL database, where there is such a server."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with running_server() as url:
        yield url
