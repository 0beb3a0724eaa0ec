"""The page that every run ends with: what it says, what it holds, and how it behaves in a browser."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import opened_browser, seen
from onnx_stand_in import without_exporter
from result_tables import SMALL, all_of_small, write_results
from torch import nn
from typer.testing import CliRunner

import nas
from nas import jobs
from nas.base.errors import NasError
from nas.base.files import read_sealed, write_sealed
from nas.choices import Choice
from nas.cli.app import app
from nas.elastic import Depth, ElasticBatchNorm2d, ElasticConv2d, ElasticLinear
from nas.jobs.commands import command_of
from nas.jobs.reports.points import letters_of
from nas.runs import RunConfig, read_manifest
from nas.runs.curve import POINTS, curve_of
from nas.supernet import Space, Task, open_space

EVIL = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
BUDGET: dict[str, Any] = {"steps": 4, "evaluations": 12, "resolution": 16, "compute": "cpu", "strategy": "evolution"}


class Tiny(nn.Module):
    """Elastic width and depth, a kernel for each block."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        width = Choice("width", (4, 6, 8, 12))
        self.stem = nn.Sequential(ElasticConv2d(task.channels, width, 3, stride=2), ElasticBatchNorm2d(width), nn.ReLU())
        kernels = [Choice(f"block{index}.kernel", (3, 5)) for index in range(3)]
        blocks = [
            nn.Sequential(ElasticConv2d(width, width, kernel), ElasticBatchNorm2d(width), nn.ReLU()) for kernel in kernels
        ]
        self.blocks = Depth(blocks, Choice("depth", (1, 2, 3)))
        self.classifier = ElasticLinear(width, task.classes)

    def forward(self, x: Any) -> Any:
        return self.classifier(self.blocks(self.stem(x)).mean((2, 3)))


def tiny() -> Space:
    return Space("tiny", Tiny, task=Task(1, 16, 10))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> nas.Run:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    limit = tiny().cost("macs", tiny().largest)
    with without_exporter():
        return jobs.search(tiny(), [f"macs<={limit:.0f}"], out=folder, settings={"batch_size": 16}, **BUDGET)


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory: pytest.TempPathFactory) -> nas.Run:
    """A search of a table one of whose columns has a name that would be a script."""
    folder, space = tmp_path_factory.mktemp("looked-up"), open_space(SMALL)
    columns = {"top1": lambda row: 50 + 3 * row.sum(), "energy": lambda row: 9 - row.sum() % 4, EVIL: lambda _: 1.5}
    results = write_results(folder / "results.csv", space, all_of_small(space), columns)
    options = {"objectives": ("top1", "energy:min"), "evaluations": 10, "strategy": "nsga2"}
    return jobs.search(SMALL, evaluate=results, out=folder / "run", **options)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as found:
        yield found


def data_of(text: str) -> dict[str, Any]:
    """What a page holds for its scripts."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    assert match is not None
    found: dict[str, Any] = json.loads(match[1])
    return found


def words_of(text: str) -> str:
    """What a reader sees, in one line."""
    body = text.partition("<body>")[2].partition("<script")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_it_says_what_was_asked_and_found(trained: nas.Run) -> None:
    words, results = words_of((trained.path / "report.html").read_text()), trained.results
    test, winner = results["winner"]["test"]["top1"], results["winner"]["validation"]["top1"]
    assert f"the best of 12 evaluated networks has {winner:.2f} % validation top-1" in words
    assert f"classifies {test:.2f} % of 359 test images right" in words
    assert f"random search's best has {results['random_search']['best']['validation']['top1']:.2f} %" in words
    assert "uniform, 4 steps (batch_size 16)" in words
    assert "steps=4" in words and "SPACE being tiny" in words
    assert f"torch {trained.manifest.versions['torch']}" in words


def test_every_evaluation_is_a_point_with_its_figures(trained: nas.Run) -> None:
    data, space = data_of((trained.path / "report.html").read_text()), trained.space
    values, winner = data["points"]["values"], data["winner"]
    assert len(values["top1"]) == len(data["points"]["study"]) == 24
    assert values["top1"][winner] == pytest.approx(trained.results["winner"]["validation"]["top1"], rel=1e-5)
    assert values["macs"][winner] == pytest.approx(trained.results["winner"]["costs"]["macs"], rel=1e-5)
    letters = data["decisions"]["letters"][winner]
    read = {
        name: options[int(letter, 36)]
        for name, options, letter in zip(data["decisions"]["names"], data["decisions"]["options"], letters, strict=True)
        if letter != "."
    }
    assert read == {name: str(option) for name, option in trained.winner.items()}
    assert data["progress"]["series"][0]["points"][-1][0] == 12
    assert data["training"]["steps"] == [1, 2, 3, 4]
    for place, found in data["layers"]["networks"].items():
        macs = sum(data["layers"]["lines"][line][4] for line in found)
        assert macs == pytest.approx(values["macs"][int(place)], rel=1e-5)
    assert space.name in words_of((trained.path / "report.html").read_text())


def test_several_objectives_of_results_looked_up(looked_up: nas.Run) -> None:
    text = (looked_up.path / "report.html").read_text()
    data = data_of(text)
    assert data["progress"]["several"]
    shares = [point[1] for point in data["progress"]["series"][0]["points"]]
    assert shares == sorted(shares) and 0 < shares[-1] <= 1
    assert data["training"] is None and data["correlation"] is None
    assert "the pick of a front of" in words_of(text).lower()


def test_nothing_in_a_run_is_markup(looked_up: nas.Run, tmp_path: Path, browser: Any) -> None:
    for name in ("manifest.json", "results.json"):
        path = looked_up.path / name
        content = read_sealed(path, name)
        if name == "results.json":
            content["space"] = content["evaluated_by"] = EVIL
        else:
            content["versions"][EVIL] = content["machine"]["system"] = EVIL
        (tmp_path / "run").mkdir(exist_ok=True)
        write_sealed(tmp_path / "run" / name, content)
    (tmp_path / "run" / "study.journal").write_bytes((looked_up.path / "study.journal").read_bytes())
    file = Path(nas.report(tmp_path / "run", tmp_path / "page.html")["file"])
    assert "<script>window" not in file.read_text() and "<img" not in file.read_text()
    with seen(browser, file.as_uri()) as found:
        assert found.page.evaluate("window.hacked") is None
        assert EVIL in found.page.inner_text("#reproduce")
        found.page.select_option("#across", EVIL)
        found.page.hover("#pareto svg", position={"x": 300, "y": 200})
        assert found.page.evaluate("window.hacked") is None
        assert not found.complaints and not found.requests


def test_a_page_needs_no_network_and_answers_pointer_and_keys(trained: nas.Run, browser: Any) -> None:
    with seen(browser, (trained.path / "report.html").as_uri()) as found:
        page = found.page
        assert page.inner_text("#network h3").startswith("Winner: evolution, evaluation")
        page.locator("#pareto .front-dot").first.scroll_into_view_if_needed()
        circle = page.locator("#pareto .front-dot").first.bounding_box()
        page.mouse.move(circle["x"] + 4, circle["y"] + 4)
        assert "evaluation" in page.inner_text("#pareto .tip") and "block" in page.inner_text("#pareto .tip")
        page.mouse.click(circle["x"] + 4, circle["y"] + 4)
        assert page.locator("#network tbody tr").count() >= 3
        page.focus("#pareto svg")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        assert page.inner_text("#said").partition(":")[0] in page.inner_text("#network h3")
        assert page.inner_text("#said")
        page.click("tr:has-text('random search') button")
        assert page.inner_text("#network h3").startswith("random search")
        assert not found.requests and not found.complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone_in_both_colours(trained: nas.Run, browser: Any, scheme: str) -> None:
    with seen(browser, (trained.path / "report.html").as_uri(), width=390, color_scheme=scheme) as found:
        page = found.page
        assert not found.overflows
        page.locator("summary").first.click()
        page.locator("summary").last.click()
        assert not found.overflows

        def brightness() -> int:
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(map(int, re.findall(r"\d+", colour)[:3]))

        before = brightness()
        assert (before > 600) == (scheme == "light")
        page.click("#theme")
        assert (brightness() > 600) != (scheme == "light")
        assert not found.complaints


def test_the_command_asks_for_the_same_run(monkeypatch: pytest.MonkeyPatch, looked_up: nas.Run) -> None:
    """Everything that a command line can say is read back from the command of its manifest."""
    asked = RunConfig.checked(
        space="mbconv:ofa",
        targets=("pixel-latency=80ms", "params<=5M"),
        objectives=("top1", "macs"),
        trainer="sandwich",
        strategy="nsga2",
        strategy_options={"population": "20"},
        steps=30,
        seed=4,
        allow_estimates=True,
        cutmix=0.5,
        randaugment="2,9",
        settings={"learning_rate": "0.1"},
        resolution=64,
    )
    command = command_of(read_manifest(looked_up.path).model_copy(update={"config": asked}))
    heard: dict[str, Any] = {}

    def search(space: str, targets: Any, data: Any, out: Any, reporter: Any, started: Any, **options: Any) -> Any:
        heard.update(space=space, targets=targets, data=data or "digits", **options)
        raise NasError("heard")

    monkeypatch.setattr(jobs, "search", search)
    CliRunner().invoke(app, shlex.split(command)[1:])
    assert RunConfig.checked(**heard) == asked


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": [{"name": "unheard-of", "direction": "maximize", "cheap": False, "limit": None}]},
        {"objectives": [{"name": "unheard-of", "direction": "maximize", "cheap": True, "limit": None}]},
        {"objectives": []},
        {"front": [{}]},
        {"winner": None},
        {"search": {}},
        {"targets": [{"metric": "macs", "limit": 1e999, "text": "macs"}]},
    ],
)
def test_results_that_are_none_of_ours_are_said_to_be_damaged(looked_up: nas.Run, tmp_path: Path, changes: Any) -> None:
    folder = tmp_path / "run"
    shutil.copytree(looked_up.path, folder)
    (folder / "report.html").unlink()
    (folder / "results.json").write_text(json.dumps({**looked_up.results, **changes}))
    with pytest.raises(NasError, match="are damaged or of another version"):
        nas.report(folder)
    assert not (folder / "report.html").exists()


def test_figures_that_differ_in_their_last_digits_are_drawn(looked_up: nas.Run, browser: Any) -> None:
    with seen(browser, (looked_up.path / "report.html").as_uri()) as found:
        for points in ([[1, 0.3], [2, 0.3 + 6e-17]], [[0, 0], [5e-324, 1e-323]]):
            series = json.dumps([{"name": "one", "points": points, "className": "s0"}])
            found.page.evaluate(f"lines(document.getElementById('progress'), null, {series}, {{x: 'x', y: 'y'}})")
            assert found.page.locator("#progress .tick").count() < 200
        assert not found.complaints


def test_it_can_be_written_again_elsewhere(trained: nas.Run, looked_up: nas.Run, tmp_path: Path) -> None:
    again = CliRunner().invoke(app, ["report", str(looked_up.path), "-o", str(tmp_path / "page.html"), "--json"])
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "page.html").read_text() == (looked_up.path / "report.html").read_text()
    page = (looked_up.path / "report.html").read_text()
    (looked_up.path / "report.html").unlink()
    jobs.resume(looked_up.path)
    assert (looked_up.path / "report.html").read_text() == page
    for arguments, needle in (([str(tmp_path)], "is not a run"), ([str(looked_up.path), "-o", str(tmp_path)], "is a folder")):
        failed = CliRunner().invoke(app, ["report", *arguments])
        assert failed.exit_code == 2 and needle in failed.stderr


def test_a_run_that_only_trained_has_its_curve(tmp_path: Path) -> None:
    run = jobs.train(tiny(), out=tmp_path / "run", resolution=16, steps=3, compute="cpu", settings={"batch_size": 16})
    data = data_of((run.path / "report.html").read_text())
    assert data["training"]["losses"][-1] == pytest.approx(run.results["training"]["last_loss"])
    assert "for 3 steps of uniform" in words_of((run.path / "report.html").read_text())


def test_long_curves_are_thinned() -> None:
    curve = curve_of([float(step) for step in range(10_001)], 20_000)
    assert len(curve.losses) <= POINTS and curve.steps[-1] == 10_001
    assert curve.losses[0] == np.mean(range(curve.steps[0]))


def test_letters_leave_out_what_does_not_matter() -> None:
    space = open_space("mbconv:ofa")
    row = space.encode([space.smallest])
    (letters,) = letters_of(space.decisions, row)
    assert len(letters) == len(space.decisions)
    assert letters.count(".") == len(space.decisions) - len(space.smallest)
