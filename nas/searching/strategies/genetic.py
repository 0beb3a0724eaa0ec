"""What the strategies that run pymoo's algorithms have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from nas.architectures.decisions import Rows
from nas.base.seeds import generator
from nas.searching.history import History
from nas.searching.problem import Problem
from nas.searching.strategies.batches import Batches


class Genetic(Batches):
    """A genetic algorithm of pymoo that is asked and told generation by generation.

    Sampling, crossover, mutation, repair and the elimination of duplicates are those of `nas.searching.strategies.operators`.
    pymoo's generator is set from the seed before each step, and its populations are worked out again from the history, so that
    nothing of it needs to be saved. Where breeding finds too little that is new, random architectures fill the generation;
    failed evaluations do not enter a population.

    Attributes:
        stream: names the random numbers.
    """

    stream: ClassVar[str]

    def __init__(self, problem: Problem, seed: int, size: int, crossover: float, mutation: float | None) -> None:
        super().__init__(problem, seed)
        self._size, self._crossover = size, crossover
        self._mutation = 1.0 / len(problem.decisions) if mutation is None else mutation
        self._algorithm: Any = None

    @abstractmethod
    def algorithm(self, **operators: Any) -> Any:
        """pymoo's algorithm with these operators."""

    def begin(self) -> None:
        """See `Batches`."""
        from pymoo.core.problem import Problem as PymooProblem
        from pymoo.core.termination import NoTermination

        from nas.searching.strategies.operators import IntoBounds, LegalSampling, RedrawnMutation, UniformCrossover, Unseen

        decisions = self.problem.decisions
        self._algorithm = self.algorithm(
            sampling=LegalSampling(self.problem),
            crossover=UniformCrossover(self.problem, self._crossover),
            mutation=RedrawnMutation(self.problem, self._mutation),
            repair=IntoBounds(self.problem),
            eliminate_duplicates=Unseen(self.fresh),
        )
        limits = {"xl": np.zeros(len(decisions)), "xu": decisions.cardinalities - 1}
        described = PymooProblem(n_var=len(decisions), n_obj=len(self.problem.objectives), vtype=int, **limits)
        self._algorithm.setup(described, termination=NoTermination(), seed=0)

    def propose(self, history: History, start: int) -> Rows:
        """See `Batches`: a generation."""
        from nas.searching.strategies.operators import as_rows

        rng = generator(self.seed, self.stream, start)
        bred = np.empty((0, len(self.problem.decisions)), dtype=np.uint8)
        if start == 0 or self._algorithm.is_initialized:
            self._algorithm.random_state = rng
            found = self._algorithm.ask()
            bred = bred if found is None or not len(found) else as_rows(found.get("X"))
        return np.concatenate([bred, self.random(rng, self._size - len(bred))])

    def absorb(self, history: History, start: int, stop: int) -> None:
        """See `Batches`: tell pymoo a generation."""
        from pymoo.core.population import Population

        values = history.values(start)[: stop - start]
        finite = np.isfinite(values).all(axis=1)
        if finite.any():
            rows = np.ascontiguousarray(history.rows(start)[: stop - start])[finite]
            self._algorithm.random_state = generator(self.seed, f"{self.stream} survival", start)
            self._algorithm.tell(infills=Population.new(X=rows, F=-values[finite]))
