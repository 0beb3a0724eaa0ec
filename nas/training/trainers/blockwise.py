"""Block-wise self-supervised training by ensemble bootstrapping (Li et al., BossNAS, 2021)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nas.architectures import Decisions
from nas.base.errors import NasError
from nas.base.seeds import generator, integer_seed
from nas.data.views import FIRST_VIEW, SECOND_VIEW, Viewer
from nas.elastic.drop_path import DropPath
from nas.supernet import Blocks, Space
from nas.training.blockwise.heads import Projector, multilayer
from nas.training.blockwise.paths import Candidates, evolve
from nas.training.blockwise.rating import Pair, Rating, Side, distance
from nas.training.blockwise.recipe import BlockwiseRecipe
from nas.training.optimisers import build_optimiser, forget
from nas.training.recipe import Recipe, own
from nas.training.schedules import rate_at
from nas.training.trainer import Engine, Phase, StepContext, Trainer

OFFSET = 4.0
"""Added to each block's loss in the score of a whole network, so that 0 is the best."""


class Place(NamedTuple):
    """Where a step lies: its block, and that block's first step and number of steps."""

    block: int
    start: int
    length: int


class Blockwise(Trainer):
    """One block after the other learns without labels; its paths are then rated, and the best one is frozen.

    In a step every image is seen in pairs of augmented views, one pair for each of four paths. The teacher, a moving average
    of the student, projects them, and the mean over the paths is what each path of the student learns to predict of the
    other view. A path is rated by how near its predictions of held images come to the mean projection of all paths, the
    population centre. Labels are never read.

    The training decides the architecture by itself (`derive`). The supernet's classifier stays untrained, so its weights score
    no network: take the derived architecture (strategy 'derived'), or rank networks by `score`, and train it from scratch.

    The defaults are the paper's for HyTra, 6 epochs for each of four blocks; it trains MBConv's five for 30 in all. Paths are
    drawn from the list of a space that has one, and else fairly. A step is a whole update: a batch larger than `part` images
    goes through in parts, each with paths of its own, whose gradients are averaged.
    """

    defaults = BlockwiseRecipe(
        optimiser="lars",
        learning_rate=4.8,
        reference_batch=4096,
        momentum=0.9,
        weight_decay=1e-6,
        trust=1e-3,
        schedule="cosine",
        warmup=1 / 6,
        architecture_share=0.1,
        epochs=24,
    )
    summary = "self-supervised, block by block; the best path of a block is frozen before the next"
    source = "Li et al., BossNAS: Exploring Hybrid CNN-transformers with Block-wisely Self-supervised NAS, 2021"
    origins = {  # noqa: RUF012
        "batch_size": "this project; the paper has 4096 images in parts of 64",
        "architecture_share": "this project; the paper rates on the validation images, which a search here keeps for scoring",
        "rating": "the authors' code, which rates every path; evolution is what the paper describes for more of them",
        "rating_limit": "this project; the authors' code rates all of up to 256 paths",
        "rating_images": "this project; the paper rates on 50,000 validation images",
        "population": "Guo et al., Single Path One-Shot, 2020",
        "generations": "Guo et al., Single Path One-Shot, 2020",
        "parents": "Guo et al., Single Path One-Shot, 2020",
        "mutation": "Guo et al., Single Path One-Shot, 2020",
    }

    _blocks: Blocks

    @classmethod
    def misfit(cls, space: Space, recipe: Recipe) -> str | None:
        """Spaces without blocks, and figures that leave nothing to rate on or to normalise over."""
        if not recipe.architecture_share:
            return "architecture_share is 0, and paths are rated on images that weights are not trained on; set it above 0"
        if recipe.batch_size < 2:
            return "a batch of one image has no batch statistics; set batch_size to 2 or more"
        return space.indivisible

    def prepare(self, engine: Engine) -> None:
        """Make the teacher, the heads of both networks and their optimiser."""
        student, recipe = engine.supernet, own(engine.recipe, BlockwiseRecipe)
        space, task = student.space, student.task
        self._blocks = space.blocks(student.network, task)
        count = len(self._blocks)
        if engine.steps < count:
            raise NasError(f"blockwise trains {count} blocks, one after the other; {engine.steps} steps are not one for each")
        teacher = student.frozen_copy()
        with torch.random.fork_rng():
            torch.default_generator.manual_seed(integer_seed(engine.seed, "blockwise heads"))
            sizes = (recipe.fixed_channels, recipe.hidden, recipe.projected)
            projectors, copies = (
                nn.ModuleList(Projector(outputs, *sizes) for outputs in self._blocks.outputs) for _ in range(2)
            )
            predictors = nn.ModuleList(multilayer(recipe.projected, recipe.hidden, recipe.projected) for _ in range(count))
        copies.load_state_dict(projectors.state_dict())
        learnt = nn.ModuleDict({"projectors": projectors, "predictors": predictors})
        self.state = nn.ModuleDict({"learnt": learnt, "teacher": teacher, "teacher_projectors": copies}).to(engine.device)
        copies.requires_grad_(False)
        for module in teacher.modules():  # the teacher's projections are not to depend on chance
            if isinstance(module, nn.modules.dropout._DropoutNd | DropPath):
                module.eval()
        self._heads = build_optimiser(learnt, recipe)
        self.optimisers = {"heads": self._heads}
        predicting = [nn.Sequential(*parts) for parts in zip(projectors, predictors, strict=True)]
        self._student = Side(student, self._blocks.modules, predicting)
        taught = teacher.network.block_sequence()  # type: ignore[operator]
        self._teacher = Side(teacher, tuple(taught), list(copies))
        self._viewer = Viewer(*engine.colours())
        self._row = space.decisions.smallest()[0]
        self._decided = 0
        self._ratings: list[list[tuple[list[int], float]]] = []
        self._progress: list[dict[str, float]] = []

    def phases(self, steps: int, recipe: Recipe) -> list[Phase]:
        """The blocks."""
        if self.state is None:
            return []
        starts, count = self._edges(steps)[:-1], len(self._blocks)
        text = "learns without labels; then its paths are rated, and the best one is frozen"
        return [Phase(f"block {number} of {count}", start, text) for number, start in enumerate(starts, 1)]

    def cycle(self, recipe: Recipe, steps_per_epoch: int) -> int | None:
        """A block's paths are rated as often in a short training as in a long one."""
        return None

    def rate(self, step: int, steps: int, recipe: Recipe) -> float:
        """Warm-up and schedule, anew for each block."""
        if self.state is None:
            return rate_at(recipe, step, steps)
        place = self._place(step, steps)
        return rate_at(recipe, step - place.start, place.length)

    def step(self, context: StepContext, engine: Engine) -> float:
        """Leave the gradients of one update on the block in training and its heads; returns the loss, summed over paths."""
        recipe = own(context.recipe, BlockwiseRecipe)
        number, start, _ = self._place(context.step, context.steps)
        if context.step == start:
            forget(engine.optimiser)
            forget(self._heads)
        images = engine.plain_batch().images
        parts = images.tensor_split(max(1, len(images) // recipe.part))
        candidates = Candidates(self._blocks, number, self._row)
        total = 0.0
        for index, part in enumerate(parts):
            rows = candidates.draw(recipe.paths, context.rng)
            drawn = integer_seed(engine.seed, "views", context.step, index, engine.ranks.rank)
            rng = torch.Generator().manual_seed(drawn)
            pairs = [self._views(part, rng) for _ in rows]
            targets = self._targets(engine, number, rows, pairs)
            for row, pair in zip(rows, pairs, strict=True):
                loss = self._loss(engine, number, row, pair, targets) / len(parts)
                loss.backward()
                total += float(loss.detach())
        return total

    def after(self, context: StepContext, engine: Engine) -> None:
        """Update heads and teacher; rate the block's paths when it is time, and freeze the best at its end."""
        recipe = own(context.recipe, BlockwiseRecipe)
        number, start, length = self._place(context.step, context.steps)
        engine.step_along(self._heads)
        done = context.step - start
        self._follow(number, teacher_decay(recipe.teacher_decay, done, length))
        done += 1
        share = recipe.rating_epochs * len(self._blocks) / recipe.epochs
        if done == length or math.floor(done / (length * share)) > math.floor((done - 1) / (length * share)):
            self._rate_paths(context, engine, number)
        if done == length:
            self._decided = number + 1

    def facts(self) -> dict[str, Any]:
        """What is chosen so far, and the ratings behind it."""
        return {
            "row": self._row.tolist(),
            "decided": self._decided,
            "ratings": self._ratings,
            "progress": self._progress,
        }

    def restore(self, facts: dict[str, Any]) -> None:
        """Take up the facts of a checkpoint."""
        self._row = np.array(facts["row"], dtype=np.uint8)
        self._decided = facts["decided"]
        self._ratings = [[(row, loss) for row, loss in block] for block in facts["ratings"]]
        self._progress = list(facts["progress"])

    def derive(self, decisions: Decisions) -> np.ndarray | None:
        """The best path of every block, once the last one is rated."""
        if self.state is None or self._decided < len(self._blocks):
            return None
        return np.asarray(decisions.canonical(np.asfortranarray(self._row[None]))[0])

    def score(self, row: np.ndarray) -> float:
        """The rank of a whole network (D,), lower is better: the losses of its paths in all blocks, 0 to 8 each, summed.

        Every path was rated behind the best paths of the blocks before it, which need not be those of this network.

        Raises:
            NasError: the training has not ended, or never rated a path of this network.
        """
        if self._decided < len(self._blocks):
            raise NasError(f"{self._decided} of {len(self._blocks)} blocks are rated so far; a score needs all of them")
        total = 0.0
        for number, rated in enumerate(self._ratings):
            wanted = self._blocks.path(number, row)
            known = {self._blocks.path(number, np.array(path, dtype=np.uint8)): loss for path, loss in rated}
            if wanted not in known:
                raise NasError(
                    f"the path of this network in block {number + 1} was not rated: it is not legal behind the chosen blocks, "
                    "or the evolution did not come across it; train with --set rating=exhaustive to rate every legal path"
                )
            total += known[wanted] + OFFSET
        return total

    def _edges(self, steps: int) -> list[int]:
        """The first step of each block, and the end."""
        count = len(self._blocks)
        return [round(number * steps / count) for number in range(count + 1)]

    def _place(self, step: int, steps: int) -> Place:
        edges = self._edges(steps)
        number = next(number for number in range(len(self._blocks)) if step < edges[number + 1])
        return Place(number, edges[number], edges[number + 1] - edges[number])

    def _views(self, images: torch.Tensor, rng: torch.Generator) -> Pair:
        return self._viewer(images, FIRST_VIEW, rng), self._viewer(images, SECOND_VIEW, rng)

    @torch.no_grad()
    def _targets(self, engine: Engine, number: int, rows: np.ndarray, pairs: list[Pair]) -> Pair:
        """What the student is to predict of each view: the mean of the teacher's unit projections over the paths."""
        sums: list[torch.Tensor | float] = [0.0, 0.0]
        before, behind = self._teacher.before(number), self._teacher.behind(number)
        with engine.autocast():
            for row, pair in zip(rows, pairs, strict=True):
                self._teacher.supernet.activate(row)
                for side, view in enumerate(pair):
                    sums[side] = sums[side] + F.normalize(behind(before(view)).float(), dim=1)
        first, second = (torch.as_tensor(total) / len(rows) for total in sums)
        return first, second

    def _loss(self, engine: Engine, number: int, row: np.ndarray, pair: Pair, targets: Pair) -> torch.Tensor:
        """One path of the student: each view predicts the target of the other."""
        self._student.supernet.activate(row)
        before, behind = self._student.before(number), self._student.behind(number)
        with torch.no_grad(), engine.autocast():
            first, second = (before(view) for view in pair)
        with engine.autocast():
            return distance(behind(first), targets[1]) + distance(behind(second), targets[0])

    @torch.no_grad()
    def _follow(self, number: int, decay: float) -> None:
        """The teacher's block and projector move towards the student's."""
        assert isinstance(self.state, nn.ModuleDict)
        learnt = self.state["learnt"]["projectors"][number]  # type: ignore[index]
        taught = self.state["teacher_projectors"][number]  # type: ignore[index]
        for source, target in ((self._student.blocks[number], self._teacher.blocks[number]), (learnt, taught)):
            pairs = list(zip(target.parameters(), source.parameters(), strict=True))
            if pairs:
                torch._foreach_lerp_([mine for mine, _ in pairs], [other.detach() for _, other in pairs], 1 - decay)

    def _rate_paths(self, context: StepContext, engine: Engine, number: int) -> None:
        """Rate the paths of a block as it is; the best one becomes the choice until the next rating."""
        recipe, rank = own(context.recipe, BlockwiseRecipe), engine.ranks.rank
        rng = torch.Generator().manual_seed(integer_seed(engine.seed, "calibration views", context.step, rank))
        calibration = self._views(engine.plain_batch().images, rng)
        held = []
        for index, batch in enumerate(engine.plain_held(recipe.rating_images)):
            fixed = torch.Generator().manual_seed(integer_seed(engine.seed, "rating views", index, rank))
            held.append(self._views(batch.images, fixed))
        rating = Rating(self._student, self._teacher, number, self._row, calibration, held, engine.autocast)
        candidates = Candidates(self._blocks, number, self._row)
        every = candidates.every if recipe.rating != "evolution" else None
        exhaustive = every is not None and (recipe.rating == "exhaustive" or len(every) <= recipe.rating_limit)
        if recipe.rating == "exhaustive" and every is None:
            raise NasError(f"block {number + 1} has too many paths to rate them all; use --set rating=evolution")
        draws = generator(engine.seed, "evolution of paths", context.step)
        population = (
            every if exhaustive else candidates.distinct(candidates.sample(recipe.population, draws), set(), recipe.population)
        )
        assert population is not None
        centre = rating.centre(population)

        def rate(rows: np.ndarray) -> np.ndarray:
            losses = torch.from_numpy(rating.losses(rows, centre))
            engine.ranks.average([losses])
            return losses.numpy()

        if exhaustive:
            rows, losses = population, rate(population)
        else:
            rows, losses = evolve(self._blocks, candidates, recipe, rate, population, draws)
        self._row = np.array(rows[int(np.argmin(losses))])
        found = [(row.tolist(), float(loss)) for row, loss in zip(rows, losses, strict=True)]
        self._ratings[number:] = [found]
        self._progress.append(
            {"step": context.step + 1, "block": number + 1, "best": float(losses.min()), "mean": float(losses.mean())}
        )


def teacher_decay(base: float, done: int, length: int) -> float:
    """Decay of the teacher's moving average after `done` of the `length` steps of a block: from `base` to 1 by a cosine."""
    return 1 - (1 - base) * (math.cos(math.pi * done / length) + 1) / 2
