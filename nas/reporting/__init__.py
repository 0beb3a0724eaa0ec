"""Pages to look at: HTML, SVG, and the scripts that draw plots in a browser."""

from nas.reporting.assets import script, style
from nas.reporting.html import Markup, data_block, document, joined, tag

__all__ = ["Markup", "data_block", "document", "joined", "script", "style", "tag"]
