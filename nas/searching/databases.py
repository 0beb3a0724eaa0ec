"""Databases in which Optuna keeps studies: how they are reached, how they are shown, and what is said where one fails."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nas.base.errors import NasError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

OPENINGS, OPENING_SECONDS = 5, 0.5
"""How often a database is opened while others make its tables, and how long after one another."""


def open_database(url: str) -> RDBStorage:
    """The studies of a database.

    Args:
        url: such as postgresql://user@host/name.

    Raises:
        NasError: it does not answer, or no driver for it is installed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with answering(url):
        try:
            return _storage(url, OPENINGS)
        except ImportError as error:
            raise NasError(
                f"no driver for {without_password(url)} is installed here; for PostgreSQL: pip install 'nas-toolkit[postgres]'"
            ) from error


def _storage(url: str, tries: int) -> RDBStorage:
    import optuna
    import sqlalchemy

    try:
        return optuna.storages.RDBStorage(_driver(url), engine_kwargs={"pool_pre_ping": True})
    except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
        # Of machines that begin at once in a new database each makes the tables, and one succeeds.
        if tries == 1:
            raise
    time.sleep(OPENING_SECONDS)
    return _storage(url, tries - 1)


@contextlib.contextmanager
def answering(url: str) -> Iterator[None]:
    """Say what is wrong with a database, or with what is gone from it, in one sentence."""
    import optuna
    import sqlalchemy

    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause: Any = error.__cause__ or error
        told = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        raise NasError(
            f"database {without_password(url)} does not answer as it should: {told[0] if told else error!r}; see that it runs, "
            "then go on"
        ) from error
    except KeyError as error:
        raise NasError(
            f"the study of this search is no longer in database {without_password(url)}; 'nas resume' begins it anew, and "
            "evaluates again what the run's folder does not hold"
        ) from error


def without_password(url: str) -> str:
    """The address of a database as it may be shown and kept; a password may hold anything but @, as SQLAlchemy reads it."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1@", url)


def _driver(url: str) -> str:
    """The address with the driver that the extra installs, where none is named."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
