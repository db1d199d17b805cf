"""Where the inbox keeps its messages: one SQLite file that survives a restart."""

import email
import email.policy
import re
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Self, cast

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_at REAL NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS recipients (
    message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE, address TEXT NOT NULL, PRIMARY KEY (address, message)
) WITHOUT ROWID;
"""
_HEADERS = BytesHeaderParser(policy=email.policy.default)
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


@dataclass(frozen=True)
class Summary:
    """One message as the list shows it."""

    id: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    kind: str

    def as_dict(self) -> dict[str, object]:
        return {**vars(self), "received_at": self.received_at.isoformat(), "recipients": list(self.recipients)}


@dataclass(frozen=True)
class Message(Summary):
    """One message, read: its two bodies as the recipient sees them. ``links`` are those of the text part."""

    text: str
    html: str
    headers: tuple[tuple[str, str], ...]

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_LINK.findall(self.text)))

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), "headers": [list(header) for header in self.headers], "links": list(self.links)}

    @classmethod
    def from_dict(cls, content: dict[str, object]) -> Self:
        """What ``as_dict`` gave, from JSON."""
        fields = {name: value for name, value in content.items() if name != "links"}
        fields["received_at"] = datetime.fromisoformat(cast("str", content["received_at"]))
        fields["recipients"] = tuple(cast("list[str]", content["recipients"]))
        fields["headers"] = tuple((name, value) for name, value in cast("list[list[str]]", content["headers"]))
        return cls(**fields)  # type: ignore[arg-type]


class Store:
    """Messages by number. A message is parsed when it is read, not when it comes: receiving must cost next to nothing."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(file, isolation_level=None)
        # A mail lost in a power cut is no loss here; waiting for the disk would slow down whoever is being tested.
        self._database.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON; {_SCHEMA}"
        )

    def add(self, sender: str, recipients: list[str], raw: bytes) -> int:
        """Keep one message; returns its number."""
        run = self._database.execute
        run("BEGIN")
        row = run(
            "INSERT INTO messages (received_at, sender, recipients, raw) VALUES (?, ?, ?, ?)",
            (time.time(), sender, "\n".join(recipients), raw),
        )
        number = cast("int", row.lastrowid)
        for address in {recipient.casefold() for recipient in recipients}:
            run("INSERT INTO recipients (message, address) VALUES (?, ?)", (number, address))
        run("COMMIT")
        return number

    def summaries(self, to: str = "", limit: int = 200, before: int | None = None) -> list[Summary]:
        """Newest first. ``to`` is a whole address, or without ``@`` a part of one; ``before`` is the number to go on from."""
        return [_summary(*row) for row in self._rows(to, limit, before)]

    def messages(self, to: str = "", limit: int = 200) -> list[Message]:
        """The same, read."""
        return [_message(*row) for row in self._rows(to, limit, None)]

    def _rows(self, to: str, limit: int, before: int | None) -> list[tuple[int, float, str, str, bytes]]:
        query = "SELECT id, received_at, sender, recipients, raw FROM messages WHERE id < ?"
        arguments: list[object] = [before if before is not None else 2**62]
        if to:
            whole = "@" in to
            condition = "address = ?" if whole else "address LIKE ? ESCAPE '\\'"
            query += f" AND id IN (SELECT message FROM recipients WHERE {condition})"  # noqa: S608 - one of two constants
            sought = to.casefold()
            arguments.append(sought if whole else f"%{_literal(sought)}%")
        query += " ORDER BY id DESC LIMIT ?"
        return self._database.execute(query, (*arguments, limit)).fetchall()

    def raw(self, number: int) -> bytes | None:
        """The message as it came, or ``None``."""
        row = self._database.execute("SELECT raw FROM messages WHERE id = ?", (number,)).fetchone()
        return row[0] if row else None

    def read(self, number: int) -> Message | None:
        """The message, or ``None``."""
        query = "SELECT id, received_at, sender, recipients, raw FROM messages WHERE id = ?"
        row = self._database.execute(query, (number,)).fetchone()
        return _message(*row) if row else None

    def count(self) -> int:
        return cast("int", self._database.execute("SELECT count(*) FROM messages").fetchone()[0])

    def newest(self) -> int:
        """The number of the newest message, 0 if there is none."""
        return cast("int", self._database.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0])

    def clear(self) -> int:
        """Delete everything; returns how many there were."""
        return self._database.execute("DELETE FROM messages").rowcount

    def close(self) -> None:
        self._database.close()


def _literal(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _fields(number: int, received_at: float, sender: str, recipients: str, parsed: EmailMessage) -> dict[str, object]:
    return {
        "id": number,
        "received_at": datetime.fromtimestamp(received_at, UTC),
        "sender": str(parsed.get("From", sender)),
        "recipients": tuple(recipients.split("\n")),
        "subject": str(parsed.get("Subject", "(no subject)")),
        "message_id": str(parsed.get("Message-ID", "")),
        "kind": str(parsed.get("X-Dialtone-Mail", "")),
    }


def _summary(number: int, received_at: float, sender: str, recipients: str, raw: bytes) -> Summary:
    parsed = _HEADERS.parsebytes(raw.partition(b"\r\n\r\n")[0])
    return Summary(**_fields(number, received_at, sender, recipients, parsed))  # type: ignore[arg-type]


def _message(number: int, received_at: float, sender: str, recipients: str, raw: bytes) -> Message:
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return Message(
        **_fields(number, received_at, sender, recipients, parsed),  # type: ignore[arg-type]
        text=_words(text),
        html=_words(html),
        headers=tuple((name, str(value)) for name, value in parsed.items()),
    )


def _words(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a character set that nobody knows, or that the content is not in
        content = part.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
