"""When work that ended early is tried again. One policy; each driver of stages has its own figures."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 20
"""A wait is capped long before; a count that grew for weeks must not overflow it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits and back-off. Failures are the work's own fault; disruptions came from outside and are not charged."""

    max_failures: int
    """Failures after which the work is tried once more; one above ends it."""
    max_disruptions: int | None
    """The same for disruptions. None: they never end it."""
    max_resolutions: int
    """Times that the plan is resolved again because an artifact was gone."""
    failure_backoff: float
    """Seconds before the retry after the first failure; doubled with each later one."""
    disruption_backoff: float | None
    """The same for disruptions, counted apart. None: both kinds share one count and `failure_backoff`."""
    longest_backoff: float
    """Seconds before a retry, at most."""

    def is_exhausted(self, failures: int, disruptions: int) -> bool:
        """Whether the work is given up after so many ends of each kind."""
        too_many_disruptions = self.max_disruptions is not None and disruptions > self.max_disruptions
        return failures > self.max_failures or too_many_disruptions

    def may_resolve_again(self, resolutions: int) -> bool:
        """Whether the plan is resolved once more after so many times."""
        return resolutions < self.max_resolutions

    def backoff(self, failures: int, disruptions: int, lasted: float = 0.0) -> float:
        """Seconds before the next attempt.

        A node that is taken away once a day is no reason to wait: the waits are for runs that end as they begin.

        Args:
            failures: attempts that failed.
            disruptions: attempts that were disrupted.
            lasted: seconds that the last attempt had, if it was disrupted.
        """
        in_a_row = min(disruptions, 1) if lasted >= self.longest_backoff else disruptions
        if self.disruption_backoff is None:
            wait = _doubled(self.failure_backoff, failures + in_a_row)
        else:
            wait = max(_doubled(self.failure_backoff, failures), _doubled(self.disruption_backoff, in_a_row))
        return min(self.longest_backoff, wait)


def _doubled(first: float, count: int) -> float:
    return first * 2.0 ** min(count - 1, _MOST_DOUBLINGS) if count else 0.0
