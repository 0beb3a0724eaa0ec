"""A run as one page to look at: `report.html`."""

from nas.jobs.reports.writing import report, write_report

__all__ = ["report", "write_report"]
