"""When a run that ended is followed by another. Failures are counted, disruptions are not charged."""

from w2s_operator.planning.observed import Seconds

LONGEST_WAIT = 300.0
"""Seconds before a run is tried again, at most."""
DISRUPTION_WAIT = 1.0
"""Seconds after the first disruption; each later one waits twice as long, but for a run that lasted."""
MAX_RESOLUTIONS = 3
"""Times that a plan is resolved again because an artifact was gone."""


def may_retry(failures: int, max_retries: int) -> bool:
    """Whether a stage that failed so often is run again."""
    return failures <= max_retries


def wait_before_retry(failures: int, disruptions: int, first_wait: float, lasted: Seconds = 0.0) -> float:
    """Seconds before the next run: doubled with each end of its kind, LONGEST_WAIT at most.

    A node that is taken away once a day is no reason to wait: the waits are for runs that end as they begin.

    Args:
        failures: runs that failed.
        disruptions: runs that were disrupted.
        first_wait: seconds before the first retry after a failure.
        lasted: seconds that the run had, if it was disrupted.
    """
    after_failures = first_wait * 2.0 ** min(failures - 1, 20) if failures else 0.0
    in_a_row = 1 if disruptions and lasted >= LONGEST_WAIT else disruptions
    after_disruptions = DISRUPTION_WAIT * 2.0 ** min(in_a_row - 1, 20) if in_a_row else 0.0
    return min(LONGEST_WAIT, max(after_failures, after_disruptions))
