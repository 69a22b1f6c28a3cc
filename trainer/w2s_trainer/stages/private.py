"""A training that is differentially private: its noise, its secret, and what it has spent."""

import secrets
from typing import Any

from w2s_api.spec.privacy import Privacy
from w2s_api.spec.tuning import Training
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.resumable import ResumableTraining
from w2s_trainer.store.checkpoints import checkpoints_uri
from w2s_trainer.store.objects import AlreadyExists, Objects
from w2s_trainer.tuning.accountant import MOST_NOISE, least_noise, sample_rate, steps_of
from w2s_trainer.tuning.privacy import PrivateSteps

_SECRET = "noise.bin"
_BYTES = 32


def private_steps(
    run: ResumableTraining, settings: Privacy, training: Training, *, rows: int, name: str, seed: int
) -> PrivateSteps:
    """The steps of a training, with the least noise that keeps to what is declared.

    Args:
        run: of the training.
        settings: what is declared.
        training: how long and in which portions.
        rows: examples that are learnt.
        name: of the training among those of its stage.
        seed: of the training.

    Raises:
        BadSpec: what is declared cannot be kept.
    """
    noise = noise_for(settings, training, rows)
    context = run.context
    home = context.store.home_uri(context.job.stage.kind, context.key)
    secret = run.world.broadcast_object(_secret(context.objects, home) if run.world.leads else b"")
    return PrivateSteps(
        rows=rows,
        batch_size=training.batch_size,
        epochs=training.epochs,
        clip_norm=float(settings.clip_norm),
        noise=noise,
        secret=secret + name.encode(),
        seed=seed,
    )


def noise_for(settings: Privacy, training: Training, rows: int) -> float:
    """The noise multiplier with which n examples are learnt.

    Raises:
        BadSpec: δ says nothing for so many texts, or no noise keeps ε.
    """
    delta = float(settings.delta)
    if delta * rows >= 1:
        raise BadSpec(
            "DeltaTooLarge",
            f"`strong.training.privacy.delta` is {settings.delta}, and a student learns {rows:,} texts: with that probability"
            " one of them could be told in full.",
            f"Set it below {1 / rows:.6f}.",
        )
    rate, steps = sample_rate(rows, training.batch_size), steps_of(rows, training.batch_size, training.epochs)
    noise = least_noise(float(settings.epsilon), rate, steps, delta)
    if noise is None:
        raise BadSpec(
            "PrivacyOutOfReach",
            f"No noise up to {MOST_NOISE:,.0f} times `clipNorm` keeps ε at {settings.epsilon} (δ = {settings.delta}) over"
            f" {steps:,} steps of {training.batch_size:,} of {rows:,} texts.",
            "Raise `epsilon` or `delta`, lower `epochs` or `batchSize`, or add texts.",
        )
    return noise


def spent(steps: PrivateSteps, settings: Privacy, done: int) -> dict[str, Any]:
    """What a training has spent, as JSON."""
    return {
        "epsilon": round(steps.spent(done, float(settings.delta)), 4),
        "delta": settings.delta,
        "declaredEpsilon": settings.epsilon,
        "clipNorm": settings.clip_norm,
        "noiseMultiplier": steps.noise,
        "sampleRate": round(steps.rate, 6),
        "steps": done,
    }


def _secret(objects: Objects, home_uri: str) -> bytes:
    """What noise is drawn from: made by the first process, kept for whoever goes on, and cleared with the checkpoints.

    A seed of the manifest would not do: who knows it can take the noise away again.
    """
    place = f"{checkpoints_uri(home_uri)}{_SECRET}"
    made = secrets.token_bytes(_BYTES)
    try:
        objects.write(place, made, if_absent=True)
    except AlreadyExists:
        return objects.read(place)
    return made
