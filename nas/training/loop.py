"""The one training loop: it runs any step rule, on a processor or a GPU, and resumes exactly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from nas.base.errors import NasError
from nas.base.interrupts import held_interrupt
from nas.base.progress import Reporter, Silent
from nas.training.checkpoint import load_checkpoint, read_facts, save_checkpoint
from nas.training.logs import FIGURES, Log, NoLog
from nas.training.step import Stepper

CHECKPOINT_SECONDS = 15.0
"""How much work a killed run may have to repeat. Repeated steps come out the same."""


@dataclass(frozen=True)
class TrainingResult:
    """What training came to: the losses of all steps, in order, and the seconds it took in all."""

    losses: list[float]
    seconds: float


def train(
    stepper: Stepper, checkpoint: Path | None = None, reporter: Reporter | None = None, log: Log | None = None
) -> TrainingResult:
    """Run all the steps of a training, or those that are left where a checkpoint exists.

    A run that is interrupted, at whatever moment, goes on from its last checkpoint and ends as if nothing had happened.
    Of several processes that train together, the first one writes the checkpoints and the log, and all of them go on from its
    checkpoint; the others need no folder. Ctrl-C, in any of them, lets the step in progress end and writes a checkpoint
    first; a second one does not wait.

    Raises:
        NasError: a checkpoint that does not fit, or a loss that is no finite number.
    """
    reporter, log = reporter or Silent(), log or NoLog()
    plan = {
        "trainer": type(stepper.trainer).__name__,
        "steps": stepper.steps,
        "seed": stepper.seed,
        "precision": stepper.precision,
        "recipe": stepper.recipe.model_dump(),
    }
    step, losses, spent = 0, [], 0.0
    with stepper.ranks.file(checkpoint) as found:
        if found is not None:
            facts = read_facts(found)
            if facts.get("plan") != plan:
                raise NasError(f"checkpoint {checkpoint} belongs to another training plan; remove it or use another folder")
            stepper.trainer.resume(facts["step"], stepper)
            facts = load_checkpoint(found, stepper.supernet, stepper.optimiser, stepper.parts)
            step, losses, spent = facts["step"], facts["losses"], facts["seconds"]
            stepper.trainer.restore(facts["rule"])
    first, started = step, time.monotonic()
    saved = last = started
    phases = stepper.trainer.phases(stepper.steps, stepper.recipe)
    for phase in phases:
        reporter.say(f"from step {phase.start + 1}: {phase.name}: {phase.text}")
    stepper.say = reporter.say
    reporter.start("training", stepper.steps, step)
    log.begin(step)
    try:
        with held_interrupt() as stepper.stop_asked, stepper:
            while step < stepper.steps:
                losses.append(stepper.run(step))
                step += 1
                if step == first + 1:
                    stepper.require_agreement()
                named = next((phase.name + ", " for phase in reversed(phases) if phase.start < step), "")
                reporter.advance(step, f"{named}loss {losses[-1]:.3f}")
                now, stop = time.monotonic(), stepper.stopping
                speed = stepper.recipe.batch_size / max(now - last, 1e-9)
                log.step(step, dict(zip(FIGURES, (losses[-1], stepper.rate, speed), strict=True)))
                last = now
                due = stop or step == stepper.steps or now - saved > CHECKPOINT_SECONDS
                if checkpoint is not None and due and stepper.ranks.leads:
                    log.flush()
                    facts = {"plan": plan, "step": step, "losses": losses, "seconds": spent + now - started}
                    facts["rule"] = stepper.trainer.facts()
                    save_checkpoint(checkpoint, stepper.supernet, stepper.optimiser, facts, stepper.parts)
                    saved = now
                if stop:
                    stepper.ranks.wait()  # for the checkpoint: a process that ends with an error may end the others
                    raise KeyboardInterrupt
        stepper.require_agreement()
    finally:
        reporter.finish()
        log.close()
    stepper.finish()
    return TrainingResult(losses, spent + time.monotonic() - started)
