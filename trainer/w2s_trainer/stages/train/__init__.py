"""`train`: the students of every arm and seed, and what they say of the test and the budget."""

from w2s_api.arms import ARMS
from w2s_api.families import family_of
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Trains the heads of all arms in one process (that of `unadapted` and of each round of self-training in its own), or the
    gradient-tuned student of an arm and seed; where no head answers, the strong model as it came is asked."""
    if context.job.stage.seed is None:
        if not family_of(context.spec.task).has_heads:
            from w2s_trainer.stages.train.untuned import ask_untuned

            return ask_untuned(context)
        if context.job.stage.arm and ARMS[context.job.stage.arm].round:
            from w2s_trainer.stages.train.rounds import train_rounds

            return train_rounds(context)
        from w2s_trainer.stages.train.frozen import fit_heads

        return fit_heads(context)
    from w2s_trainer.stages.train.tuned import tune_arm

    return tune_arm(context)


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints."""
    clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))
