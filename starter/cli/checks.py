"""Commands that look: does everything answer, and do the books agree?"""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs, so that the others start at once

import asyncio
import os
from datetime import timedelta
from typing import Annotated

import typer

from starter.audit import AuditReport, audit_installation
from starter.cli import output
from starter.cli.api import CommandFailed
from starter.cli.local import installation


def audit(
    letters_after: Annotated[
        int, typer.Option(min=0, help="Seconds after which a letter that has not gone out is a finding")
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Compare the ledgers of truth: database, card gateway, switch, mailbox, Temporal. Status 1 on any finding.

    Reads only, and may be run while customers are being onboarded.
    """
    from adapters.books import BookReader
    from adapters.temporal import connect

    settings = installation()

    async def run() -> AuditReport:
        books = BookReader(settings, os.environ.get("DIALTONE_INBOX_URL"), await connect(settings, patience=()))
        return await audit_installation(books, timedelta(seconds=letters_after))

    report = asyncio.run(run())
    if as_json:
        output.print_json(report.model_dump(mode="json"))
    else:
        print_report(report)
    if report.findings:
        raise CommandFailed(f"The audit has {len(report.findings)} findings.")


def print_report(report: AuditReport) -> None:
    """The checks as a table, then each finding in words."""
    rows = [
        (check.name, check.promise, str(check.examined), "ok" if not check.findings else f"{len(check.findings)} FOUND")
        for check in report.checks
    ]
    output.print_table(("CHECK", "PROMISE", "EXAMINED", "RESULT"), rows)
    for name in report.left_out:
        output.say(f"Not checked: {name}. The ledger that it needs is not there.")
    for finding in report.findings:
        output.print_lines([f"{finding.check}: {finding.subject}: {finding.message}"])


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Check everything that this installation needs, and say how to mend what is missing. Status 1 if something is."""
    from starter.doctor import examine

    results = asyncio.run(examine(installation()))
    if as_json:
        for result in results:
            output.print_json(result.model_dump())
    else:
        output.print_table(
            ("PART", "", "WHAT"), [(result.part, "ok" if result.well else "ILL", result.sentence) for result in results]
        )
    ill = sum(not result.well for result in results)
    if ill:
        raise CommandFailed(f"{ill} of {len(results)} checks failed.")
