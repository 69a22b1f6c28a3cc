"""Short runs at several shares of general texts, and the share that a law through their losses chooses.

A pilot that has ended is a line in the store; one that was interrupted goes on from its newest checkpoint.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from w2s_api.methods.adaptation_steps import Pretrain
from w2s_api.spec.replay import Prediction
from w2s_trainer.contract.context import StageContext
from w2s_trainer.stages.adapt.corpus import Corpus
from w2s_trainer.stages.adapt.mixture_law import chosen, fitted
from w2s_trainer.stages.adapt.pretraining import pretrain
from w2s_trainer.stages.resumable import ResumableTraining
from w2s_trainer.store.checkpoints import checkpoints_uri
from w2s_trainer.store.objects import NoSuchObject
from w2s_trainer.tuning.language_model import LanguageModel
from w2s_trainer.tuning.numerics import NumericSettings
from w2s_trainer.tuning.world import World


@dataclass(frozen=True)
class Pilot:
    """What a pilot measured at its end."""

    fraction: float
    domain_loss: float
    general_loss: float
    general_before: float
    seconds: float

    def to_json(self) -> dict[str, float]:
        """For the summary."""
        return {
            "fraction": self.fraction,
            "domainLoss": round(self.domain_loss, 5),
            "generalLoss": round(self.general_loss, 5),
        }


@dataclass(frozen=True)
class Predicted:
    """The share that was chosen, and what the summary says of how."""

    fraction: float
    seconds: float
    figures: dict[str, Any]


def predict(
    context: StageContext,
    settings: Pretrain,
    wanted: Prediction,
    corpus: Corpus,
    load: Callable[[NumericSettings], LanguageModel],
) -> Predicted:
    """Runs the pilots that have not ended yet, one after the other, and chooses.

    Args:
        context: of the stage.
        settings: of the step.
        wanted: which pilots, and what is tolerated.
        corpus: its blocks.
        load: the model before, anew for each pilot.

    Raises:
        BadSpec: a pilot went where numbers end.
        Stopped: it was asked to stop, and what was done is saved.
    """
    fractions = sorted(float(fraction) for fraction in wanted.fractions)
    pilots = [
        _pilot(context, settings, wanted.steps, corpus, load, fraction)
        for fraction in (*fractions, float(wanted.held_out))
    ]
    *fit_to, held_out = pilots
    domain = fitted(fractions, [one.domain_loss for one in fit_to])
    general = fitted(fractions, [one.general_loss for one in fit_to])
    before = held_out.general_before
    choice = chosen(general, before, float(wanted.tolerance), fractions[0], fractions[-1])
    context.progress.note(
        f"{choice.fraction:.0%} of the blocks are general ones, by a law through {len(fit_to)} pilots"
    )
    figures = {
        "steps": wanted.steps,
        "pilots": [one.to_json() for one in fit_to],
        "law": {"domain": domain.to_json(), "general": general.to_json()},
        "heldOut": {
            **held_out.to_json(),
            "domainPredicted": round(domain(held_out.fraction), 5),
            "generalPredicted": round(general(held_out.fraction), 5),
            "domainError": round(domain(held_out.fraction) / held_out.domain_loss - 1, 5),
            "generalError": round(general(held_out.fraction) / held_out.general_loss - 1, 5),
        },
        "limit": round(choice.limit, 5),
        "withinTolerance": choice.within,
        "generalPredicted": round(general(choice.fraction), 5),
        "domainPredicted": round(domain(choice.fraction), 5),
    }
    return Predicted(choice.fraction, sum(one.seconds for one in pilots), figures)


def _pilot(
    context: StageContext,
    settings: Pretrain,
    steps: int,
    corpus: Corpus,
    load: Callable[[NumericSettings], LanguageModel],
    fraction: float,
) -> Pilot:
    name = f"pilot-{fraction:.6f}"
    home, world = context.store.home_uri(context.job.stage.kind, context.key), World.join()
    place = f"{checkpoints_uri(home)}{name}.json"
    if known := world.broadcast_object(_known(context, place) if world.leads else None):
        return known
    run = ResumableTraining.open(context, name)
    context.progress.note(f"Pilot: {fraction:.0%} of the blocks are general ones")
    made = pretrain(
        run,
        load(run.numbers),
        corpus,
        settings,
        corpus.pilot(settings.training.batch_size, steps, fraction),
        batch_tokens=context.spec.strong.batch_tokens,
        checks=1,
        began=time.monotonic(),
    )
    domain, general = made.domain.losses, made.general.losses
    pilot = Pilot(fraction, domain[-1][1], general[-1][1], general[0][1], made.state.seconds)
    if world.leads:
        context.objects.write(place, json.dumps(asdict(pilot)).encode())
        run.checkpoints.clear()
    return pilot


def _known(context: StageContext, place: str) -> Pilot | None:
    try:
        return Pilot(**json.loads(context.objects.read(place)))
    except NoSuchObject:
        return None
