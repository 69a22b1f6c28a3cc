"""How a prompt is written for a model: by its chat template where it has one, as plain lines otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.folder import first_line

_TEXT, _ANSWER = "w2sTextGoesHere", "w2sAnswerGoesHere"
_DAY = "26 Jul 2024"
"""Some templates write the date: labels must not depend on the day."""
_CLOCK = f"{{% macro strftime_now(format) %}}{_DAY}{{% endmacro %}}\n"
"""Goes before a template: the function that tells them the date cannot be replaced otherwise."""


@dataclass(frozen=True)
class Wording:
    """The words around a task's instruction."""

    answer: str
    """What an answer is called where a prompt is plain lines."""
    closing: str = ""
    """Follows the instruction in a chat; empty: nothing does."""
    text: str = "Text: "
    """What stands before a text where a prompt is plain lines; empty: nothing does, in a chat neither."""
    end: str = "\n"
    """What an answer in plain lines ends with."""


CLASS_NAME = Wording("Class", "Answer with the name of the class and nothing else.")
FREE_TEXT = Wording("Answer")


@dataclass(frozen=True)
class Layout:
    """A prompt around a text, `head + text + tail`, that `lead + answer + end` continues."""

    head: str
    tail: str
    lead: str
    end: str
    chat: bool
    markers: tuple[str, ...]
    """Words that the tokenizer reads as the ends and beginnings of turns."""

    def prompt(self, text: str) -> str:
        """The prompt with its text, which cannot end its own turn: markers in it are broken up."""
        return f"{self.head}{_harmless(text, self.markers)}{self.tail}"

    def answer(self, name: str) -> str:
        """What comes after the prompt if the answer is `name`."""
        return f"{self.lead}{name}{self.end}"

    def harmless(self, text: str) -> str:
        """A text that cannot end its own turn, without white space around it."""
        return _harmless(text, self.markers)


def layout_of(
    tokenizer: Any, question: str, shots: Sequence[tuple[str, str]], wording: Wording = CLASS_NAME
) -> Layout:
    """The layout of a question.

    In a chat the shots are turns of their own. The answer is laid out as an answer that was given, rather than
    begun by the template's generation prompt: that is what a model has seen most, and what a template puts
    before an answer (an empty chain of thought) is there. Without a template the lines are `Text:` and what the
    wording calls an answer.

    Args:
        tokenizer: its chat template, if it has one, decides.
        question: the instruction, and the classes if it has some.
        shots: texts and their answers.
        wording: of the task.

    Raises:
        BadSpec: the template cannot lay out such a conversation.
    """
    template = template_of(tokenizer)
    markers = _markers(tokenizer, template)
    plain = [(_harmless(text, markers), _broken_up(name, markers)) for text, name in shots]
    if not template:
        label, end = wording.answer, wording.end
        between = end if end.endswith("\n") else f"{end}\n"
        before = wording.text
        lines = "".join(f"{before}{text}\n{label}: {name}{between}" for text, name in plain)
        return Layout(f"{question}\n\n{lines}{before}", f"\n{label}:", " ", end, False, markers)
    ask = "\n\n".join([question, *filter(None, [wording.closing]), ""])
    rendered = _render(
        tokenizer, template, _conversation(ask, "Text:\n" if wording.text else "", [*plain, (_TEXT, _ANSWER)])
    )
    if rendered.count(_TEXT) != 1 or rendered.count(_ANSWER) != 1:
        raise _unusable(tokenizer, "it does not write the question and the answer once each")
    head, _, rest = rendered.partition(_TEXT)
    tail, between, end = rest.partition(_ANSWER)
    if not between:
        raise _unusable(tokenizer, "it writes the answer before the question")
    return Layout(head, tail, "", end or tokenizer.eos_token or "\n", True, markers)


def template_of(tokenizer: Any) -> str:
    """The chat template that prompts are written by; empty if there is none."""
    if not getattr(tokenizer, "chat_template", None):
        return ""
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:  # several, and none of them is the default
        raise _unusable(tokenizer, first_line(error)) from error


def _markers(tokenizer: Any, template: str) -> tuple[str, ...]:
    return tuple(
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if len(token.content.strip()) > 1 and (token.special or token.content in template)
    )


def _harmless(text: str, markers: Sequence[str]) -> str:
    return _broken_up(text.strip(), markers)


def _broken_up(text: str, markers: Sequence[str]) -> str:
    for marker in markers:
        text = text.replace(marker, f"{marker[0]} {marker[1:]}")
    return text


def _conversation(ask: str, before: str, pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    turns = []
    for index, (text, name) in enumerate(pairs):
        prompt = f"{ask if index == 0 else ''}{before}{text}"
        turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": name}]
    return turns


def _render(tokenizer: Any, template: str, conversation: list[dict[str, str]]) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(
                conversation,
                chat_template=_CLOCK + template,
                tokenize=False,
                enable_thinking=False,
                date_string=_DAY,
            )
        )
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise _unusable(tokenizer, first_line(error)) from error


def _unusable(tokenizer: Any, why: str) -> BadSpec:
    return BadSpec(
        "UnusableChatTemplate",
        f"The chat template of {tokenizer.name_or_path} cannot be used: {why}.",
        "Correct it, or remove it from the model's tokenizer to be asked in plain lines.",
    )
