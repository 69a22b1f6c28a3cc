"""What the operator says of a job: conditions and short fields, how large a status is, when it is written, and what of
a change is told as an Event. Pure."""
