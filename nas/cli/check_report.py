"""What the checks of a space found, on standard output."""

from __future__ import annotations

import shlex

from nas.checking import Report
from nas.cli.tables import open_console, print_next


def print_report(report: Report, target: str) -> None:
    """Findings with what to do, what was left out, and what to type next."""
    console = open_console()
    for number, finding in enumerate(report.findings, 1):
        console.print(f"{number}. {finding.place}: {finding.problem}", soft_wrap=True)
        if finding.advice:
            console.print(f"   to do: {finding.advice}", soft_wrap=True)
    for title, reason in report.skipped.items():
        console.print(f"- not checked: {title} ({reason})", style="dim", soft_wrap=True)
    passed = f"{len(report.passed)} checks passed on {report.architectures} architectures"
    if report.ok:
        console.print(f"{report.space}: nothing is wrong; {passed}.", soft_wrap=True)
        print_next(console, {"next": [f"nas search --space {shlex.quote(target)}"]})
    else:
        some = "1 thing is" if len(report.findings) == 1 else f"{len(report.findings)} things are"
        console.print(f"{report.space}: {some} wrong; {passed}.", soft_wrap=True)
