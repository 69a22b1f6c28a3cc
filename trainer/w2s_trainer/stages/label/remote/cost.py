"""What the answers cost, and whether the next question may still be asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from w2s_api.methods.labelers.endpoint import TokenPrices
from w2s_trainer.stages.label.remote.record import Records

CHARACTERS_PER_TOKEN = 3.0
"""Before the endpoint has counted any: English has about four, other languages have fewer."""
_TOKENS_OF_A_MESSAGE = 8


def price(tokens_in: float, tokens_out: float, prices: TokenPrices | None) -> float:
    """The cost of some tokens, in the currency of the prices; 0 without prices."""
    if prices is None:
        return 0.0
    return (tokens_in * float(prices.input) + tokens_out * float(prices.output)) / 1e6


def estimated_tokens(characters: int) -> int:
    """Tokens of a text where the endpoint counts none."""
    return round(characters / CHARACTERS_PER_TOKEN) + _TOKENS_OF_A_MESSAGE


@dataclass
class Meter:
    """Counts cost, and keeps back what is under way at its worst, so that a limit is not passed.

    Args:
        prices: of tokens.
        limit: of the cost; None: any cost is fine.
        answer_tokens: the most tokens of an answer.
        samples: answers to a question.
    """

    prices: TokenPrices | None
    limit: float | None
    answer_tokens: int
    samples: int = 1
    spent: float = 0.0
    _kept_back: dict[int, float] = field(default_factory=dict)
    _characters: int = 0
    _tokens_in: int = 0
    _tokens_out: int = 0
    _questions: int = 0

    def found(self, records: Records) -> None:
        """Adds what was answered, and paid for, by an earlier process."""
        self.spent += price(records.tokens_in, records.tokens_out, self.prices)

    def worst(self, characters: int) -> float:
        """The most that a question costs whose messages have so many characters."""
        tokens_in = characters * self._tokens_per_character() + _TOKENS_OF_A_MESSAGE
        return price(tokens_in, self.answer_tokens * self.samples, self.prices)

    def fits(self, characters: int) -> bool:
        """Whether one more question keeps to the limit, whatever is under way."""
        if self.limit is None:
            return True
        return self.spent + sum(self._kept_back.values()) + self.worst(characters) <= self.limit

    def asked(self, place: int, characters: int) -> None:
        """A question is under way."""
        self._kept_back[place] = self.worst(characters)

    def dropped(self, place: int) -> None:
        """A question ended without an answer that costs."""
        self._kept_back.pop(place, None)

    def answered(self, place: int, characters: int, records: Records) -> None:
        """A question was answered."""
        self._kept_back.pop(place, None)
        self.spent += price(records.tokens_in, records.tokens_out, self.prices)
        if records.tokens_in:
            self._characters += characters
            self._tokens_in += records.tokens_in
            self._tokens_out += records.tokens_out
            self._questions += 1

    def rest(self, characters: Sequence[int]) -> float:
        """What further questions cost, as far as those before tell.

        Args:
            characters: of the messages of each.
        """
        out = self._tokens_out / self._questions if self._questions else self.answer_tokens * self.samples
        return price(sum(characters) * self._tokens_per_character(), out * len(characters), self.prices)

    def _tokens_per_character(self) -> float:
        return self._tokens_in / self._characters if self._characters else 1 / CHARACTERS_PER_TOKEN
