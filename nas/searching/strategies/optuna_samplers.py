"""Every sampler of Optuna as a strategy: `optuna:tpe`, `optuna:gp`, `optuna:nsga2` and so on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nas.architectures.decisions import Rows
from nas.architectures.sampling import descend, violations
from nas.base.errors import NasError
from nas.base.seeds import generator
from nas.searching.history import History
from nas.searching.problem import Problem, keys
from nas.searching.strategies.batches import Batches
from nas.searching.strategies.one_change import require_free
from nas.searching.strategy import Strategy

ATTEMPTS = 20
"""What a sampler may propose that is known, before a random architecture takes the place."""


class Sampler(Batches):
    """An Optuna sampler, asked for one architecture at a time.

    The study that it sees is worked out from the history: at every position the sampler is made anew with a seed of that
    position, asked, and told what stands there. What a sampler keeps with its trials is thus there again, and a killed search
    goes on identically. A proposal that is known is told its figures again, as Optuna's own loop would; one that breaks a bound
    is repaired by changing one decision at a time.

    Attributes:
        sampler: the class in `optuna.samplers`.
        ordered: whether decisions are integers, for samplers that know no categories.
        conditional: whether decisions that do not matter are left out; else they take part and make no difference.
        most: how many objectives it takes at most.
        needs: a package beside Optuna.
    """

    sampler: ClassVar[str]
    ordered: ClassVar[bool] = False
    conditional: ClassVar[bool] = False
    most: ClassVar[int | None] = None
    needs: ClassVar[str | None] = None

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        require_free(problem.decisions, f"Optuna's {self.sampler}")
        if self.most is not None and len(problem.objectives) > self.most:
            raise NasError(
                f"Optuna's {self.sampler} takes one objective; given {len(problem.objectives)}: use optuna:tpe, optuna:nsga2 "
                "or nsga2, or make one figure of them with --reward"
            )
        self._study: Any = None
        self._asked: tuple[Any, bytes] | None = None

    def options(self) -> dict[str, Any]:
        """Arguments of Optuna's class beside the seed."""
        return {}

    def begin(self) -> None:
        """See `Batches`."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(directions=["maximize"] * len(self.problem.objectives))
        # Samplers that have seen everything stop the loop of Optuna that is not run here.
        self._study.stop = lambda: None
        self._asked = None

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: one architecture."""
        import optuna

        places = dict(zip(keys(history.rows()[:start]), range(start), strict=True))
        values = history.values()
        self._asked = None
        for attempt in range(ATTEMPTS):
            trial, row = self._ask(start, attempt)
            found = self.fresh.collect(lambda _, row=row: row, 1, 1)  # type: ignore[misc]
            if len(found):
                self._asked = trial, keys(found)[0]
                return found
            place = places.get(keys(row)[0])
            if place is None or not np.isfinite(values[place]).all():
                self._tell(trial, optuna.trial.TrialState.FAIL)
            else:
                self._tell(trial, optuna.trial.TrialState.COMPLETE, values[place])
        return self.random(generator(self.seed, "optuna random", start), 1)

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: tell the study what stands in the history."""
        import optuna

        row, values = np.asfortranarray(history.rows(start)[:1]), history.values(start)[0]
        succeeded = bool(np.isfinite(values).all())
        state = optuna.trial.TrialState.COMPLETE if succeeded else optuna.trial.TrialState.FAIL
        attributes: dict[str, Any] = {}
        if self._asked is not None:
            trial, proposed = self._asked
            if keys(row)[0] == proposed and np.array_equal(self._row(trial.params), row):
                self._tell(trial, state, values)
                return
            # What is evaluated is not what was asked for; with the sampler's notes it takes the trial's place all the same.
            attributes = dict(self._study.get_trials(deepcopy=False)[trial.number].system_attrs)
            self._tell(trial, optuna.trial.TrialState.FAIL)
        active = self.problem.decisions.active(row)[0] | (not self.conditional)
        named = zip(self.problem.decisions.names, row[0].tolist(), active.tolist(), strict=True)
        parameters = {name: code for name, code, used in named if used}
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=values.tolist() if succeeded else None,
                params=parameters,
                distributions={name: self._distribution(name) for name in parameters},
                system_attrs=attributes,
            )
        )

    def _tell(self, trial: Any, state: Any, values: np.ndarray | None = None) -> None:
        import optuna

        completed = state is optuna.trial.TrialState.COMPLETE and values is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.tell(trial, values.tolist() if completed and values is not None else None, state=state)

    def _ask(self, start: int, attempt: int) -> tuple[Any, Rows]:
        """A trial, and its architecture within the bounds."""
        decisions = self.problem.decisions
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.sampler = self._made(int(generator(self.seed, "optuna", start, attempt).integers(2**31)))
            trial = self._study.ask()
            codes: dict[str, int] = {}
            for column, name in enumerate(decisions.names):
                if not self.conditional or decisions.active(self._row(codes))[0, column]:
                    codes[name] = self._suggest(trial, name)
        row = self._row(codes)
        if not self.problem.legal(row)[0]:
            bounds, rng = self.problem.limits, generator(self.seed, "optuna repair", start, attempt)
            row = descend(decisions, rng, row, lambda rows: violations(bounds, rows), 0.0)
        return trial, row

    def _row(self, codes: Mapping[str, int]) -> Rows:
        """(1, D) canonical."""
        decisions = self.problem.decisions
        return decisions.canonical(np.array([[codes.get(name, 0) for name in decisions.names]], dtype=np.uint8, order="F"))

    def _suggest(self, trial: Any, name: str) -> int:
        count = self._count(name)
        if self.ordered:
            return int(trial.suggest_int(name, 0, count - 1))
        return int(trial.suggest_categorical(name, tuple(range(count))))

    def _distribution(self, name: str) -> Any:
        import optuna

        if self.ordered:
            return optuna.distributions.IntDistribution(0, self._count(name) - 1)
        return optuna.distributions.CategoricalDistribution(tuple(range(self._count(name))))

    def _count(self, name: str) -> int:
        return int(self.problem.decisions.cardinalities[self.problem.decisions.column[name]])

    def _made(self, seed: int) -> Any:
        import optuna

        try:
            found = getattr(optuna.samplers, self.sampler)(seed=seed, **self.options())
            if self.needs is not None:
                __import__(self.needs)
        except ImportError as error:
            raise NasError(
                f"Optuna's {self.sampler} needs the package '{self.needs}'; install it: pip install {self.needs}"
            ) from error
        return found


Startup = Annotated[int, Field(ge=1, description="random architectures before the sampler begins")]
Population = Annotated[int, Field(ge=2, description="architectures in a generation")]


class Tpe(Sampler):
    """The tree-structured Parzen estimator; several objectives are split by fronts and hypervolume."""

    summary = "Optuna's TPE: densities of good and of other options, decision by decision"
    source = "Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType({"startup": "Optuna"})
    sampler, conditional = "TPESampler", True

    def __init__(self, problem: Problem, seed: int, startup: Startup = 10) -> None:
        super().__init__(problem, seed)
        self.startup = startup

    def options(self) -> dict[str, Any]:
        """See `Sampler`."""
        return {"n_startup_trials": self.startup}

    @classmethod
    def variants(cls) -> Mapping[str, type[Strategy]]:
        """The samplers by the names that are written behind 'optuna:'."""
        return VARIANTS if cls is Tpe else {}


class Gp(Tpe):
    """A Gaussian process with expected improvement (of the hypervolume, for several objectives)."""

    summary = "Optuna's Gaussian process with expected improvement"
    source = "Mockus et al., The Application of Bayesian Methods for Seeking the Extremum, 1978; as in Optuna"
    sampler, conditional = "GPSampler", False


class CmaEs(Tpe):
    """CMA-ES on the positions of the options, which are taken for ordered."""

    summary = "Optuna's CMA-ES; takes options for ordered numbers"
    source = "Hansen, The CMA Evolution Strategy: A Tutorial, 2016"
    sampler, conditional, ordered, most, needs = "CmaEsSampler", False, True, 1, "cmaes"

    def __init__(self, problem: Problem, seed: int, startup: Startup = 1) -> None:
        super().__init__(problem, seed, startup)


class OptunaNsga2(Sampler):
    """Optuna's own NSGA-II."""

    summary = "Optuna's NSGA-II"
    source = "Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002"
    origins: ClassVar[Mapping[str, str]] = MappingProxyType({"population": "Optuna"})
    sampler = "NSGAIISampler"

    def __init__(self, problem: Problem, seed: int, population: Population = 50) -> None:
        super().__init__(problem, seed)
        self.population = population

    def options(self) -> dict[str, Any]:
        """See `Sampler`."""
        return {"population_size": self.population}


class OptunaNsga3(OptunaNsga2):
    """Optuna's own NSGA-III."""

    summary = "Optuna's NSGA-III"
    source = "Deb & Jain, An Evolutionary Many-Objective Optimization Algorithm, Part I (NSGA-III), 2014"
    sampler = "NSGAIIISampler"


class OptunaRandom(Sampler):
    """Independent uniform draws."""

    summary = "Optuna's random draws"
    source = "Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, 2012"
    sampler, conditional = "RandomSampler", True


class Qmc(Sampler):
    """A scrambled Sobol sequence on the positions of the options."""

    summary = "Optuna's quasi-random Sobol sequence; takes options for ordered numbers"
    source = "Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, 2012"
    sampler, ordered = "QMCSampler", True

    def options(self) -> dict[str, Any]:
        """See `Sampler`: without scrambling every seed would give the same search."""
        return {"scramble": True}

    def _made(self, seed: int) -> Any:
        """One sequence, not another one at every position."""
        return super()._made(int(generator(self.seed, "optuna qmc").integers(2**31)))


class BruteForce(Sampler):
    """Every architecture once, in random order."""

    summary = "Optuna's brute force: every architecture once, in random order; for small spaces"
    source = "Akiba et al., Optuna, 2019"
    sampler, conditional = "BruteForceSampler", True


VARIANTS: Mapping[str, type[Strategy]] = {
    "brute-force": BruteForce,
    "cmaes": CmaEs,
    "gp": Gp,
    "nsga2": OptunaNsga2,
    "nsga3": OptunaNsga3,
    "qmc": Qmc,
    "random": OptunaRandom,
    "tpe": Tpe,
}
