"""What the edge must remember over a restart, in one SQLite file."""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  account TEXT, key TEXT, fingerprint TEXT, status INTEGER, body TEXT, at REAL, PRIMARY KEY (account, key)
);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS cancellations (intent TEXT PRIMARY KEY, reason TEXT, at INTEGER);
CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS owners (customer TEXT PRIMARY KEY, account TEXT NOT NULL);
"""

KEEP_ANSWERS_SECONDS = 24 * 3600


@dataclass(frozen=True)
class StoredAnswer:
    fingerprint: str
    status: int
    body: str


class Records:
    """One writer, one thread; each call is a transaction."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
        self._db.execute("DELETE FROM answers WHERE at < ?", (time.time() - KEEP_ANSWERS_SECONDS,))

    def close(self) -> None:
        self._db.close()

    def answer(self, account: str, key: str) -> StoredAnswer | None:
        row = self._db.execute(
            "SELECT fingerprint, status, body FROM answers WHERE account = ? AND key = ? AND at > ?",
            (account, key, time.time() - KEEP_ANSWERS_SECONDS),
        ).fetchone()
        return StoredAnswer(*row) if row else None

    def keep_answer(self, account: str, key: str, answer: StoredAnswer) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (account, key, answer.fingerprint, answer.status, answer.body, time.time()),
        )

    def forget_answers(self) -> None:
        self._db.execute("DELETE FROM answers")

    def session(self, session_id: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT body FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return json.loads(row[0]) if row else None

    def sessions(self) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self._db.execute("SELECT body FROM sessions ORDER BY rowid")]

    def keep_session(self, session: dict[str, Any], event: dict[str, Any] | None = None) -> None:
        """Write the session and, in the same transaction, the event that must be delivered because of it."""
        self._db.execute("BEGIN")
        self._db.execute(
            "INSERT INTO sessions VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (session["id"], json.dumps(session)),
        )
        if event is not None:
            self._db.execute("INSERT INTO deliveries VALUES (?, ?)", (event["id"], json.dumps(event)))
        self._db.execute("COMMIT")

    def deliveries(self) -> list[tuple[str, str]]:
        return list(self._db.execute("SELECT id, body FROM deliveries ORDER BY rowid"))

    def delivered(self, event_id: str) -> None:
        self._db.execute("DELETE FROM deliveries WHERE id = ?", (event_id,))

    def owner(self, customer: str | None) -> str | None:
        """The connected account that the customer belongs to; ``None`` is the platform."""
        row = self._db.execute("SELECT account FROM owners WHERE customer = ?", (customer,)).fetchone()
        return row[0] if row else None

    def keep_owner(self, customer: str, account: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (customer, account))

    def cancellation(self, intent: str) -> tuple[str | None, int] | None:
        row = self._db.execute("SELECT reason, at FROM cancellations WHERE intent = ?", (intent,)).fetchone()
        return (row[0], row[1]) if row else None

    def keep_cancellation(self, intent: str, reason: str | None) -> None:
        self._db.execute("INSERT OR REPLACE INTO cancellations VALUES (?, ?, ?)", (intent, reason, int(time.time())))
