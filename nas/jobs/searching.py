"""The search of a run, wherever its evaluations are made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nas.base.progress import Reporter
from nas.choices import Option
from nas.runs import Manifest, RunConfig, RunFolder, SearchOutcome, Setting, candidate_scorer, search_stage
from nas.runs.carried import carried
from nas.runs.executing import check_executor, opened_executor
from nas.runs.search_stage import evaluation
from nas.searching import Scorer


def evaluated_by(config: RunConfig, given: dict[str, Any]) -> RunConfig:
    """The configuration with another executor, or another database, in the place of those it began with."""
    if not given:
        return config
    before: dict[str, Any] = {}
    if "executor" in given or "storage" in given:
        before = dict.fromkeys(("executor", "workers", "storage"))
    found = config.model_copy(update={**before, **given})
    check_executor(found)
    return found


def searched(
    folder: RunFolder,
    manifest: Manifest,
    setting: Setting,
    scorer: Scorer,
    reporter: Reporter,
    derived: Mapping[str, Option] | None = None,
) -> SearchOutcome:
    """Search, wherever evaluations are made."""
    baseline, supernet = None, None
    if setting.space.separate:
        baseline = candidate_scorer(folder, setting, manifest.plan["steps"], keep=False)
    else:
        supernet = folder.supernet if setting.config.supernet is None else Path(setting.config.supernet)
    carry = partial(carried, manifest, supernet)
    with opened_executor(manifest, setting, carry, evaluation(scorer, setting), reporter) as executor:
        return search_stage(folder, setting, scorer, reporter, baseline, derived, executor)
