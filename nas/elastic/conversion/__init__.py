"""An existing module made elastic: its forward is followed, tied widths are found, layers are replaced."""

from nas.elastic.conversion.conversion import Conversion, from_module
from nas.elastic.conversion.requests import LeftAlone

__all__ = ["Conversion", "LeftAlone", "from_module"]
