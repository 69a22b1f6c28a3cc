"""What can go wrong, told apart by who must act."""


class CannotRun(Exception):
    """This machine lacks something that the cluster cannot get by itself; the message says what."""


class ClusterFault(Exception):
    """The cluster should have worked and did not; the message names the part and the end of its log."""
