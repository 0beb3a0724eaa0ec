"""The runner, as it runs on a device: in a process of its own, with a loader that keeps time by a script."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from nas.base.errors import NasError
from nas.base.progress import Silent
from nas.measuring import Model, Plan, open_connection, read_plan, read_timings, runner

LOADER = """
import time
from pathlib import Path

def version():
    return "1.0"

def load(path, inputs, threads, dtype):
    folder = Path(path).parent
    with (folder / "loads.txt").open("a") as file:
        file.write(Path(path).name + " " + str(inputs[0].shape) + "\\n")
    loads = (folder / "loads.txt").read_text().count("\\n")
    limit = folder / "stop_after.txt"
    if limit.exists() and loads > int(limit.read_text()):
        raise RuntimeError("the board lost power")
    wait = float(Path(path).read_text())
    return lambda: time.sleep(wait)
"""


def written(folder: Path, waits: tuple[float, ...] = (0.002, 0.006), **changed: object) -> Plan:
    folder.mkdir(exist_ok=True)
    loader = folder / "given.py"
    loader.write_text(LOADER)
    for number, wait in enumerate(waits):
        (folder / f"{number}.model").write_text(str(wait))
    models = tuple(Model(name=f"m{n}", file=f"{n}.model", inputs=((1, 3),)) for n in range(len(waits)))
    settings = {"rounds": 3, "most_rounds": 3, "turns": 1, "warmups": 0, "calls": 3, "slowed": 1e6, **changed}
    plan = Plan(
        runtime="scripted", dtype="float32", threads=1, batch=1, space="s", resolution=8, channels=3, classes=2, models=models,
        **settings,
    )  # fmt: skip
    plan.write(folder, loader)
    assert read_plan(folder) == plan
    return plan


def test_what_is_timed_is_what_calls_take(tmp_path: Path) -> None:
    plan = written(tmp_path / "work")
    open_connection("here").run(tmp_path / "work", plan, Silent())
    found = read_timings(tmp_path / "work", plan)
    assert found.finished
    assert found.device["runtime"] == "scripted 1.0"
    assert [found.figures[n].count for n in range(2)] == [3, 3]
    # How much later a process is woken is the machine's affair.
    assert found.figures[0].ms >= 2
    assert found.figures[1].ms >= 6
    loads = (tmp_path / "work" / "loads.txt").read_text().splitlines()
    # In each round both models, with the reference beside them.
    assert len(loads) == 9
    assert set(loads) == {"0.model (1, 3)", "1.model (1, 3)"}


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_runner_that_was_stopped_goes_on_and_times_nothing_twice(tmp_path: Path, stop: int) -> None:
    folder = tmp_path / "work"
    plan = written(folder)
    (folder / "stop_after.txt").write_text(str(stop))
    with pytest.raises(NasError, match=r"the board lost power.*What was timed is kept"):
        open_connection("here").run(folder, plan, Silent())
    before = (folder / "timings.jsonl").read_text()
    assert len(before.splitlines()) == 3 * (stop // 3), "groups of two models and the reference, whole"
    assert not read_timings(folder, plan).finished
    with (folder / "timings.jsonl").open("a") as file:
        file.write('{"round": 0, "mod')  # as a process leaves it that was killed while it wrote
    (folder / "stop_after.txt").unlink()
    open_connection("here").run(folder, plan, Silent())
    after = (folder / "timings.jsonl").read_text()
    assert after.startswith(before)
    entries = [json.loads(line) for line in after.splitlines()]
    timed = [(entry["round"], entry["model"]) for entry in entries if entry["model"] >= 0]
    assert sorted(timed) == [(number, model) for number in range(3) for model in range(2)]
    assert read_timings(folder, plan).finished


def test_the_order_is_new_in_every_round_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        plan = written(tmp_path / name, (0.0,) * 12, seed=seed)
        open_connection("here").run(tmp_path / name, plan, Silent())
        entries = [json.loads(line) for line in (tmp_path / name / "timings.jsonl").read_text().splitlines()]
        orders.append([[e["model"] for e in entries if e["round"] == number and e["model"] >= 0] for number in range(3)])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][0] != orders[0][1] != orders[0][2]
    assert all(sorted(order) == list(range(12)) for order in orders[0])


def test_what_was_timed_in_a_slow_moment_is_timed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        (tmp_path / f"{number}.model").write_text("")
    files = [{"file": f"{number}.model"} for number in range(40)]
    plan = {"models": files, "reference": 0, "seed": 0, "slowed": 0.1}
    timings: runner.Timings = {model: {} for model in range(-1, 40)}
    asked: list[int] = []

    def timed(plan: object, loader: object, folder: object, models: list[int]) -> list[tuple[float, None]]:
        asked.append(len(models))
        return [(1.5 if len(asked) == 2 else 1.0, None)] * len(models)

    monkeypatch.setattr(runner, "timed", timed)
    with (tmp_path / "timings.jsonl").open("w") as file:
        runner.one_round(plan, None, tmp_path, 0, list(range(40)), timings, file)
    entries = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    order = [entry["model"] for entry in entries if entry["model"] >= 0]
    assert sorted(order[:40]) == list(range(40))
    assert order[40:] == order[16:32], "the second group, once"
    assert asked == [17, 17, 9, 17]
    assert len(timings[-1][0]) == 4


def test_models_take_turns_and_each_one_s_fastest_call_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    called: list[int] = []
    monkeypatch.setattr(runner.time, "perf_counter", lambda: clock[0])

    def call(model: int) -> None:
        called.append(model)
        # Model 1 is disturbed in every turn but its third; a warm-up is slower than all.
        earlier = called.count(model) - 1
        clock[0] += 9.0 if earlier % 2 == 0 else 1.0 + model * (1.0 if earlier == 5 else 5.0)

    plan = {"turns": 4, "warmups": 1, "calls": 1}
    found = runner.take_turns([lambda model=model: call(model) for model in range(3)], plan, random.Random(0))
    assert found == [1.0, 2.0, 3.0]
    turns = [called[start : start + 6] for start in range(0, 24, 6)]
    assert all(sorted(turn) == [0, 0, 1, 1, 2, 2] and turn[::2] == turn[1::2] for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def test_no_more_models_are_in_memory_than_a_board_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"{number}.model" for number in range(6)]
    for file, size in zip(files, (10, 10, 10, 90, 40, 60), strict=True):
        file.write_text("x" * size)
    monkeypatch.setattr(runner, "BYTES", 50)
    assert list(runner.groups([5, 0, 1, 2, 3, 4], files)) == [[5], [0, 1, 2], [3], [4]]
    monkeypatch.setattr(runner, "TOGETHER", 2)
    assert list(runner.groups([0, 1, 2], files)) == [[0, 1], [2]]
    assert list(runner.groups([], files)) == []


def test_what_spreads_is_timed_for_longer(tmp_path: Path) -> None:
    from nas.measuring.runner import due

    plan = {"models": [0, 1], "rounds": 4, "most_rounds": 9, "spread": 0.02}
    timings = {-1: {}, 0: {n: [1.0] for n in range(4)}, 1: {n: [1.0 + n] for n in range(4)}}
    assert due(plan, timings, 4) == [1]
    assert due(plan, timings, 3) == []
    assert due(plan, {-1: {}, 0: {0: [1.0]}, 1: {}}, 0) == [1]


def test_the_runner_needs_nothing_of_nas(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    written(folder)
    code = (
        "import sys, runpy\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('nas', 'torch', 'hardware'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"sys.argv = ['runner.py', {str(folder)!r}]\n"
        f"runpy.run_path({str(folder / 'runner.py')!r}, run_name='__main__')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"round": 0, "model": 7, "ms": 1.0, "busy": null}', '{"round": 0, "model": 0, "ms": NaN, "busy": 0}']
)
def test_timings_that_are_none_are_told(tmp_path: Path, line: str) -> None:
    plan = written(tmp_path / "work")
    (tmp_path / "work" / "timings.jsonl").write_text(line + "\n")
    with pytest.raises(NasError, match=r"timings.jsonl, line 1 is no timing"):
        read_timings(tmp_path / "work", plan)


def test_drift_and_noise_are_told(tmp_path: Path) -> None:
    plan = written(tmp_path / "work", (0.0,) * 6)
    lines = []
    for number in range(6):
        lines.append({"round": number, "model": -1, "ms": 1.0 + 0.02 * number, "busy": 0.0})
        # Not all at once: that would be the machine, and not these models.
        lines += [{"round": number, "model": m, "ms": 1.0 + 0.5 * ((number + m) % 2) * (m > 1), "busy": 0.5} for m in range(6)]
    (tmp_path / "work" / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_timings(tmp_path / "work", plan)
    assert found.drift == pytest.approx(1.09 / 1.01 - 1)
    assert found.figures[0].spread == pytest.approx(0, abs=0.01)
    assert found.figures[2].ms == pytest.approx(1.25, abs=0.02) and found.figures[2].spread == pytest.approx(0.25, abs=0.02)
    texts = found.warnings()
    assert [any(word in text for text in texts) for word in ("drifted", "noisy", "busy during 86%")] == [True] * 3


@pytest.mark.parametrize(("states", "count"), [((1.0, 1.6, 1.0, 1.6, 1.02), 3), ((1.6, 1.6, 1.0, 1.6), 4), ((1.6,), 1)])
def test_what_slows_everything_down_is_the_machine(tmp_path: Path, states: tuple[float, ...], count: int) -> None:
    plan = written(tmp_path / "work", (0.0, 0.0), slowed=0.1)
    lines = [
        {"round": number, "model": model, "ms": state * (2 if model > 0 else 1), "busy": 0.0}
        for number, state in enumerate(states)
        for model in (-1, 0, 1)
    ]
    (tmp_path / "work" / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_timings(tmp_path / "work", plan)
    expected = 2 * min(states)  # a single round tells nothing
    assert (found.figures[1].ms, found.figures[1].count) == (pytest.approx(expected, rel=0.01), count)
    assert any("everything was slow during" in text for text in found.warnings()) == (found.slow > 0.25)
