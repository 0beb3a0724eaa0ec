"""What a run that was asked for comes to, and its first moment: searches and trainings, and searches that train nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nas.base.errors import NasError
from nas.base.progress import Reporter
from nas.jobs.data_report import report_data
from nas.jobs.finishing import finish
from nas.jobs.looking_up import begin_lookup
from nas.jobs.run import Run
from nas.runs import RunConfig, follow_stage, named_space, prepare, proxies_alone, reduction_of
from nas.runs.begun import Started, begun
from nas.runs.executing import check_executor
from nas.runs.folder import create_folder
from nas.runs.named import evaluated_as
from nas.runs.searched import fingerprint, named_data, reference, with_estimates
from nas.runs.setting import describe_data, planned_steps
from nas.runs.trained import read_facts
from nas.supernet import Space
from nas.supernet.separate import no_supernet
from nas.training import current_ranks


def begin(
    kind: Literal["search", "train"],
    space: str | Space,
    targets: Sequence[str],
    data: Any,
    out: str | Path | None,
    reporter: Reporter,
    started: Started | None,
    options: dict[str, Any],
) -> Run:
    """Work out everything that a run needs, make its folder, and do it; see `nas.jobs.search`."""
    opened = space if isinstance(space, Space) else named_space(space, reporter)
    reduction = reduction_of(opened)
    if reduction is not None and kind == "train":
        raise NasError(f"a supernet is trained for the whole space: nas train --space {opened.name}; '{space}' is for searches")
    if reduction is not None and _says_nothing_of_evaluations(options):
        options |= evaluated_as(reduction, opened)
    if (kind == "train" or options.get("supernet") is not None) and opened.separate:
        raise no_supernet(opened)
    if options.get("supernet") is not None:
        options["supernet"] = str(Path(options["supernet"]).resolve())
        data = read_facts(Path(options["supernet"])).data["source"] if data is None else data
    source, given = named_data(data)
    if options.get("evaluate") is not None:
        options["evaluate"] = str(Path(options["evaluate"]).resolve())
    config = RunConfig.checked(space=reference(opened if reduction else space), targets=tuple(targets), data=source, **options)
    check_executor(config)
    if config.allow_estimates:
        opened = with_estimates(opened)
    if kind == "search" and (config.evaluate is not None or proxies_alone(config, opened)):
        return begin_lookup(config, opened, out, reporter, started, given)
    ranks = current_ranks()
    setting = prepare(config, opened, given=given, reporter=reporter if ranks.leads else None)
    steps = ranks.gather(planned_steps(setting))[0]  # minutes are measured, in every process a little differently
    if not ranks.leads:
        follow_stage(setting, steps)
    plan = {
        "decisions": fingerprint(opened),
        "steps": steps,
        "recipe": setting.recipe.model_dump(),
        "trained_at": vars(setting.trained_at),
        "deployed_at": vars(setting.deployed_at),
        **({} if reduction is None else {"reduced": reduction.to_json()}),
    }
    label = opened.name if reduction or isinstance(space, Space) or ".py" in space else space
    label += f"-top{reduction.top}" if reduction else ""
    folder = create_folder(out, f"{label}-{setting.data.name}")
    with begun(folder, kind, config, plan, describe_data(setting.data), started) as manifest:
        report_data(setting.data, config.class_weights != "none", folder.path, reporter)
        return finish(folder, manifest, setting, reporter, opened)


def _says_nothing_of_evaluations(options: dict[str, Any]) -> bool:
    """Whether it is left open how architectures are evaluated: by which supernet, trained how, or by which results."""
    given = any(options.get(name) is not None for name in ("supernet", "evaluate", "steps", "epochs", "minutes"))
    default = RunConfig.model_fields["trainer"].default
    return not given and options.get("trainer", default) == default
