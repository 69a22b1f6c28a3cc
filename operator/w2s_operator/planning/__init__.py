"""What the operator decides: what is seen of a job, and what follows from it. Pure; the clock is an argument.

To be read in this order:

    observed    what is seen: the job, its child Jobs, their pods
    actions     what may be asked for, and what a policy may decide
    plan        one pass over a job, from top to bottom
    view        what the policies read: an immutable view of the job, and of one stage of it
    policies    the ordered list of them; each is `(view) -> decision | None`, in a file of its own
    records     the changes that policies make to the record of a stage
    outcome     how a run ended: what counts against its stage
    run_state   where a run in progress stands, and what holds it up
    orphans     runs that should be no more
    ending      what remains to be done for a job that is over

A stage has instances: its settings (the stage key) with the artifacts that it reads. A run of an instance is one Job.
The status holds the number of the last run and whether its end is accounted for, and is written before anything is
created: the next process, after a crash or beside this one, finds what was decided. The summary in the status is
made by `w2s_operator.status`.
"""
