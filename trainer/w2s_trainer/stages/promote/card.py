"""The model card: what the model is, what taught it, what it was measured at, where it ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_api.families import FAMILIES
from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
from w2s_trainer.families.task_family import ModelCard
from w2s_trainer.models.adapter import CONFIG
from w2s_trainer.report.forgetting import card_line
from w2s_trainer.report.parts import LIKELIHOOD
from w2s_trainer.report.privacy import in_words
from w2s_trainer.stages.combine.teacher import publishes_teacher


def has_adapter(directory: Path) -> bool:
    """Whether an adapter lies there, apart from the model that it changes."""
    return (directory / CONFIG).exists()


def model_card(results: Mapping[str, Any], spec: Spec, kind: ModelCard, apart: bool) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
        results: the content of `results.json`.
        spec: says how the model was made.
        kind: what the kind of task says.
        apart: the adapter is apart from the model.
    """
    data = results["data"]
    labelers = ", ".join(f"`{labeler['labeler']}` ({labeler['type']})" for labeler in results["labelers"])
    on_frozen = spec.strong.tuning.settings.on_frozen_model
    made = _of_head(results, spec) if on_frozen else _of_student(results, spec, apart)
    lines = [
        "---",
        *([f"pipeline_tag: {kind.pipeline_tag}"] if kind.pipeline_tag else []),
        f"library_name: {'peft' if apart else 'transformers'}",
        "tags: [weak-to-strong]",
        "---",
        f"# {kind.title}",
        "",
        *([*kind.about, ""] if kind.about else []),
        *_refused(results["decision"]),
        "## What it is worth",
        *(f"- {sentence}" for sentence in results["answer"]),
        "",
        "## What to do now",
        *(f"- {item['text']}" for item in results["advice"]),
        "",
        "## How it was made",
        *_of_adaptation(results),
        *made,
        *_of_rounds(results),
        *_of_finish(results),
        *_of_combination(results, publishes_teacher(spec)),
        f"- Teacher: {labelers}.",
        f"- Test: {data['rows']['test']:,} texts that experts labelled, in {data['families']['test']:,} families"
        " that nothing was trained or tuned on.",
        "",
        "## Limits",
        "- It was measured on texts like those of the test. Other texts, other figures.",
        "- It learned from a teacher that errs; where the teacher is wrong in the same way each time,"
        " expect the model to be wrong there too. The report says how often.",
        *card_line(results),
        *(f"- {limit}" for limit in kind.limits),
        "",
        "## Use",
        "```",
        "w2s predict --model <this directory> texts.jsonl",
        "```",
        *kind.loading,
        "",
    ]
    return "\n".join(lines)


def _refused(decision: Mapping[str, Any]) -> list[str]:
    """What stands first where the gate did not let the model through."""
    if decision["promoted"]:
        return []
    return ["## It was refused", *(f"- {reason}" for reason in decision["reasons"]), ""]


def _of_adaptation(results: Mapping[str, Any]) -> list[str]:
    """The steps that changed the pretrained model before anything was learnt from labels."""
    return [f"- The pretrained model was first {step['words']}." for step in results.get("adaptation", [])]


def _of_rounds(results: Mapping[str, Any]) -> list[str]:
    """Which round of self-training the model is of; nothing where that is not the candidate."""
    if results["evaluation"]["candidate"] != "self-trained":
        return []
    accepted, losses = (results["rounds"][name][str(FIRST_SEED)] for name in ("accepted", "heldOutLogLoss"))
    held = f"log loss out of fold by round: {', '.join(f'{loss:.3f}' for loss in losses)}"
    why = (
        f"by its gold budget ({held})"
        if losses
        else "without a gold budget to stop it, as many as were asked for"
    )
    if accepted == 1:
        return [f"- No round of self-training was accepted {why}: this is the combination of the first."]
    texts = results["training"]["examples"][f"round-{accepted}"]
    return [
        f"- Self-training: this is the student of round {accepted}, the last that was accepted {why}. It learnt the labels that"
        f" the combination of the round before gave to all {texts:,} texts of the pool, and answers without the teacher."
    ]


def _of_finish(results: Mapping[str, Any]) -> list[str]:
    """The steps that changed the published student after its training."""
    steps = [step for step in results.get("finish", []) if step["seed"] == FIRST_SEED]
    return [
        f"- After its training {step['words']}"
        f"{f'; taken was α = {share:g}' if (share := step['figures'].get('share')) is not None else ''}."
        for step in steps
    ]


def _of_combination(results: Mapping[str, Any], with_teacher: bool) -> list[str]:
    """What a combination adds to its student; nothing where the student is the candidate."""
    candidate = results["evaluation"]["candidate"]
    is_first_round = candidate == "self-trained" and results["rounds"]["accepted"][str(FIRST_SEED)] == 1
    if candidate != "combined" and not is_first_round:
        return []
    combination, seed = results["combination"], str(FIRST_SEED)
    if FAMILIES[results["task"]["type"]].writes:
        return [_of_choice(combination, seed, with_teacher)]
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in combination["weights"][seed].items())
    adding = (
        "`w2s predict` adds the teacher to what the students answer; other programs load the students alone"
        if with_teacher
        else "The teacher could not be taken along: what is here are the students alone"
    )
    return [
        f"- Combined in log-odds, with weights fitted out of fold on {combination['goldLabels'][seed]:,} gold labels:"
        f" {weights}. {adding} (arm `students` of the report).",
    ]


def _of_choice(combination: Mapping[str, Any], seed: str, with_teacher: bool) -> str:
    trust = ", ".join(f"{name} {value:+.2f}" for name, value in combination["weights"][seed].items())
    teacher = (
        "" if with_teacher else " The teacher could not be taken along: of the students' texts one is taken."
    )
    return (
        "- Of what teacher and students write about a text, `w2s predict` takes the one that is most probably right, by"
        f" weights fitted on {combination['goldLabels'][seed]:,} gold labels (log-odds of their word: {trust}).{teacher} Other"
        " programs load the student on weak labels alone (arm `strong` of the report)."
    )


def _of_head(results: Mapping[str, Any], spec: Spec) -> list[str]:
    training = results["training"]
    return [
        f"- Pretrained model: `{spec.strong.model.uri}`, frozen; a linear head was tuned"
        f" (L2 {training['l2']:g}) on {training['examples'].get('strong', 0):,} weakly labelled texts."
    ]


def _of_student(results: Mapping[str, Any], spec: Spec, apart: bool) -> list[str]:
    strong = spec.strong
    (training,) = (
        training
        for training in results["training"]["trained"]
        if training["arm"] == "strong" and training["seed"] == FIRST_SEED
    )
    tuning = strong.tuning.settings
    how, kept = tuning.in_words(), None
    if tuning.leaves_adapter:
        kept = "apart from the model that it changes" if apart else "merged into the weights"
    end = (
        f"; these are the weights of step {training['best']['step']}, which predicted held-out weak labels best"
        if training["best"]
        else ""
    )
    start, loss = "", LIKELIHOOD
    if FAMILIES[spec.task.type].has_heads:
        start = (
            " and a head. Tuning began with a head that finds all classes as likely"
            if strong.schedule.privacy
            else " and a head. Tuning began with the head that fits the frozen model"
        )
        loss = strong.loss.settings.in_words()
    return [
        f"- Pretrained model: `{strong.model.uri}`; tuned were {how}{start}.",
        f"- Tuned on {training['texts']:,} weakly labelled texts in {training['steps']:,} steps, in {training['precision']},"
        f" seed {FIRST_SEED} (fixed beforehand){end}. Loss: {loss}.",
        *([f"- Privacy: {in_words(training['privacy'])}."] if training.get("privacy") else []),
        f"- Published in float32{f', {strong.tuning.type} {kept}' if kept else ''}.",
    ]
