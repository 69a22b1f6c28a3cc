"""What keeps a model that is pretrained further close to what it was."""

from typing import TYPE_CHECKING

from w2s_api.methods.retainers import RETAINERS, RetainerSettings
from w2s_api.spec.unions import MethodUnion, of_methods


class _Retain(MethodUnion):
    """A choice of what keeps the model close to the one before."""

    @property
    def settings(self) -> RetainerSettings:
        """The settings of the method that `type` names."""
        settings: RetainerSettings = super().settings
        return settings


if TYPE_CHECKING:
    Retain = _Retain
else:
    Retain = of_methods(_Retain, RETAINERS, may_be_left_out=True)
