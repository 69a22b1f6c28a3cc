"""What the operator says of a job: conditions and short fields, how large a status is, when it is written, and which
changes become Events. Pure."""
