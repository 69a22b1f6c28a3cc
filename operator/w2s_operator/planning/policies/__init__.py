"""The policies of a stage, in order. Each reads a view and decides, or leaves it to those after it.

The order is the argument: what was done comes before what is to be done, a person's wish (suspend) before the clock,
and a run in progress is looked after before another is begun.
"""

from collections.abc import Callable

from w2s_operator.planning.actions import Decision
from w2s_operator.planning.policies.adopt import adopt
from w2s_operator.planning.policies.create import create
from w2s_operator.planning.policies.deadline import deadline
from w2s_operator.planning.policies.hold import hold
from w2s_operator.planning.policies.keep import keep
from w2s_operator.planning.policies.lost import lost
from w2s_operator.planning.policies.replace import replace
from w2s_operator.planning.policies.retry import retry
from w2s_operator.planning.policies.reuse import reuse
from w2s_operator.planning.policies.settle import settle
from w2s_operator.planning.policies.suspend import suspend
from w2s_operator.planning.policies.watch import watch
from w2s_operator.planning.view import StageView

Policy = Callable[[StageView], Decision | None]

POLICIES: tuple[Policy, ...] = (
    adopt,  # a run that is there and was never written down
    keep,  # what is done stays done, and what failed stays failed
    settle,  # a run that is over enters the record, once
    reuse,  # the store has its artifact already
    suspend,  # nothing runs while the job is suspended
    hold,  # nothing is begun too early, or after a failure
    replace,  # a run that waits to start gets new pod settings
    lost,  # a run whose node is gone is given up
    deadline,  # nothing runs, or waits to start, for longer than it may
    watch,  # a run in progress: what the status says of it
    retry,  # a run that ended early is followed by another after a wait
    create,  # the next run
)


def decide(view: StageView) -> Decision:
    """What is decided of a stage: by the first policy that is final, on what those before it have amended."""
    earlier: Decision | None = None
    for policy in POLICIES:
        decision = policy(view)
        if decision is None:
            continue
        if earlier is not None:
            decision = earlier.then(decision)
        if decision.final:
            return decision
        earlier, view = decision, view.with_record(decision.record)
    raise AssertionError("`create`, the last one, decides whatever is left")
