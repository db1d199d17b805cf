"""Lines on a Kamailio switch, provisioned by writing the tables that it reads for every REGISTER and every call.

Kamailio needs no reload and no interface of its own for that: a line works the moment its transaction is committed.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import httpx
from sqlalchemy import Connection, String, bindparam, text
from sqlalchemy.exc import IntegrityError

from adapters.crypto import Secrets
from adapters.transactions import connect
from adapters.voice import call_records, number_settings, rights
from adapters.voice.preferences import Preference, put
from domain.call_records import CallRecord
from domain.calling import CallingWrite
from domain.errors import KeyClosed, ProvisioningRefused, Refused, Unavailable
from domain.voice import Forward, Line, LineRemoval, LineSetup, RoutedNumber

# Said once here: building a statement anew for every line costs more than running it.
#
# Takes the key's row, making it if need be, and holds it until the transaction ends: a step and its undo follow each other.
# An update that changes nothing is the one statement that creates, locks and reads a row on both databases.
_LOCK_KEY = text(
    "INSERT INTO dialtone_line_keys (key) VALUES (:key) ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING closed_at"
)
_CLOSE_KEY = text(
    "INSERT INTO dialtone_line_keys (key, closed_at) VALUES (:key, CURRENT_TIMESTAMP)"
    " ON CONFLICT (key) DO UPDATE SET closed_at = coalesce(dialtone_line_keys.closed_at, excluded.closed_at)"
)
_PUT_SUBSCRIBER = text(
    "INSERT INTO subscriber (username, domain, password, ha1, ha1b) VALUES (:username, :domain, '', :ha1, :ha1b)"
    " ON CONFLICT (username, domain) DO UPDATE SET password = '', ha1 = excluded.ha1, ha1b = excluded.ha1b"
)
_ALIASES_OF_LINE_OR_NUMBERS = text(
    "SELECT id, alias_username, alias_domain, username, domain FROM dbaliases WHERE username = :username AND domain = :domain"
    " UNION SELECT id, alias_username, alias_domain, username, domain FROM dbaliases WHERE alias_username IN :forms"
).bindparams(bindparam("forms", expanding=True, type_=String))
_ADD_ALIAS = text(
    "INSERT INTO dbaliases (alias_username, alias_domain, username, domain) VALUES (:form, :domain, :username, :domain)"
)
_DROP_ALIASES = text("DELETE FROM dbaliases WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
_ALIASES_OF = text("SELECT alias_username, username FROM dbaliases WHERE alias_username IN :forms").bindparams(
    bindparam("forms", expanding=True, type_=String)
)
_SILENCE = text("DELETE FROM dbaliases WHERE username = :username AND alias_username IN :forms").bindparams(
    bindparam("forms", expanding=True, type_=String)
)
_DOMAIN_OF = text("SELECT domain FROM subscriber WHERE username = :username")
_HAS = text(
    "SELECT a.id FROM dbaliases a WHERE a.alias_username = :number AND (a.username = :username OR EXISTS"
    " (SELECT 1 FROM usr_preferences p WHERE p.username = a.username AND p.attribute = 'account' AND p.value = :account))"
)
_SETUP_VERSION = text("SELECT value FROM usr_preferences WHERE username = :username AND attribute = 'setup_version'")
_RINGS = text("SELECT alias_username FROM dbaliases WHERE username = :username")
_REMOVE_LINE = tuple(
    text(f"DELETE FROM {table} WHERE username = :username AND domain = :domain")  # noqa: S608, three constants
    for table in ("dbaliases", "usr_preferences", "subscriber")
)


class KamailioSwitch:
    """``domain.ports.VoiceSwitch`` over Kamailio's ``subscriber``, ``dbaliases`` and ``usr_preferences``.

    ``provision`` makes the rows equal to the line, whatever was there, so the same line twice is one line and a corrected line
    replaces the first attempt. ``rpc_url`` is Kamailio's JSON-RPC; with it ``remove`` also drops the registered device at once.
    """

    def __init__(self, url: str, secrets: Secrets, rpc_url: str | None = None) -> None:
        self._transactions = connect(url, whose="The switch's")
        self._secrets = secrets
        self._rpc_url = rpc_url
        self._http = httpx.AsyncClient(timeout=5.0) if rpc_url else None

    async def provision(self, line: Line) -> None:
        """Make the line work. Raises ``ProvisioningRefused`` (``alias_taken``), ``KeyClosed`` or ``Unavailable``."""
        try:
            await self._transactions.write(partial(self._provision, line))
        except IntegrityError as error:  # another line took the number between our look and our write
            raise _alias_taken() from error

    async def remove(self, removal: LineRemoval) -> None:
        """Remove the line, close its key, forget its device. A line never heard of is a success. Raises ``Unavailable``."""
        await self._transactions.write(partial(_remove, removal))
        if self._http is not None and self._rpc_url is not None:
            # After the commit: before it, the device could register anew in between.
            await _forget_device(self._http, self._rpc_url, f"{removal.username}@{removal.domain}")

    async def allow(self, write: CallingWrite) -> None:
        """Make the account's lines follow its rights, unless newer ones are there. Raises ``Unavailable``."""
        await self._transactions.write(lambda connection: rights.put(connection, write.calling.rights, write.lines))

    async def first_call(self, account_id: str) -> datetime | None:
        """When the account made its first call (UTC); ``None`` before it (S4-19). Raises ``Unavailable``."""
        return await self._transactions.read(lambda connection: rights.first_call(connection, account_id))

    async def call_records(
        self, account_id: str, begin: datetime, end: datetime, after: tuple[int, int] | None, most: int
    ) -> Sequence[CallRecord]:
        """Answered calls of the account, as ``domain.call_records`` has it. Raises ``Unavailable``."""
        return await self._transactions.read(
            lambda connection: call_records.page(connection, account_id, begin, end, after, most)
        )

    async def silence(self, number: RoutedNumber) -> None:
        """The number rings the line no more; the line's other numbers do. Nor is it forwarded or shown. Raises ``Unavailable``."""
        await self._transactions.write(partial(_silence, number))

    async def ring(self, number: RoutedNumber) -> None:
        """The number rings the line, and is forwarded and shown as before. Raises ``Refused`` or ``Unavailable``.

        The codes of a no: ``line_missing``, ``alias_taken``.
        """
        try:
            await self._transactions.write(partial(_ring, number))
        except IntegrityError as error:
            raise _alias_taken() from error

    async def configure(self, setup: LineSetup) -> None:
        """Make the line behave like this, unless a newer setup is there. Raises ``Refused`` (``line_missing``) or ``Unavailable``."""
        await self._transactions.write(partial(_configure, setup))

    async def close(self) -> None:
        """Let go of connections and threads."""
        await self._transactions.close()
        if self._http is not None:
            await self._http.aclose()

    def _provision(self, line: Line, connection: Connection) -> None:
        if connection.scalar(_LOCK_KEY, {"key": line.key}) is not None:
            raise KeyClosed(
                "The line was removed by the undo of this step before the step arrived, so it was not created. Nothing is left "
                "to do for this attempt."
            )
        number_settings.hold(connection, line.username, [*line.numbers, *filter(None, [line.caller_id])])
        connection.execute(_PUT_SUBSCRIBER, self._credentials(line))
        _write_aliases(connection, line)
        _write_preferences(connection, line)
        if line.rights is not None:
            rights.join(connection, line.rights)

    def _credentials(self, line: Line) -> dict[str, str]:
        password = self._secrets.device_password(line.username, line.domain)
        # For devices that send "user@domain" as the user name: the switch's own definition of that column.
        ha1b = f"{line.username}@{line.domain}:{line.domain}:{password}".encode()
        return {
            "username": line.username,
            "domain": line.domain,
            "ha1": self._secrets.ha1(line.username, line.domain),
            "ha1b": hashlib.md5(ha1b, usedforsecurity=False).hexdigest(),
        }


def _write_aliases(connection: Connection, line: Line) -> None:
    # Callers dial a number with the plus or without; both are rows, so that no dialling rule is needed on the switch.
    wanted = {form for number in line.numbers for form in (number, number.removeprefix("+"))}
    owner = {"username": line.username, "domain": line.domain}
    present: set[str] = set()
    surplus: list[int] = []
    for row in connection.execute(_ALIASES_OF_LINE_OR_NUMBERS, {**owner, "forms": list(wanted)}):
        if (row.username, row.domain) != (line.username, line.domain):
            raise _alias_taken()
        if row.alias_username in wanted and row.alias_username not in present and row.alias_domain == line.domain:
            present.add(row.alias_username)
        else:
            surplus.append(row.id)
    if surplus:
        connection.execute(_DROP_ALIASES, {"ids": surplus})
    # In order, so that two transactions that want the same numbers wait for each other instead of dead-locking.
    if missing := [{**owner, "form": form} for form in sorted(wanted - present)]:
        connection.execute(_ADD_ALIAS, missing)


def _write_preferences(connection: Connection, line: Line) -> None:
    account = line.rights.account_id if line.rights else None
    put(connection, line.username, line.domain, _preferences(line.max_channels, line.caller_id, account, line.forwards))
    number_settings.drop_foreign(connection, line.numbers, line.username, line.domain)


def _forms(e164: str) -> list[str]:
    """How callers dial it, with the plus and without."""
    return [e164, e164.removeprefix("+")]


def _silence(number: RoutedNumber, connection: Connection) -> None:
    number_settings.hold(connection, number.username, [number.e164])
    connection.execute(_SILENCE, {"username": number.username, "forms": _forms(number.e164)})
    number_settings.rest(connection, number.e164, number.username)


def _ring(number: RoutedNumber, connection: Connection) -> None:
    number_settings.hold(connection, number.username, [number.e164])
    domain = connection.scalar(_DOMAIN_OF, {"username": number.username})
    if domain is None:
        raise _line_missing()
    forms = _forms(number.e164)
    present = {row.alias_username: row.username for row in connection.execute(_ALIASES_OF, {"forms": forms})}
    if set(present.values()) - {number.username}:
        raise _alias_taken()
    owner = {"username": number.username, "domain": domain}
    if missing := [{**owner, "form": form} for form in forms if form not in present]:
        connection.execute(_ADD_ALIAS, missing)
    number_settings.wake(connection, number.e164, number.username, domain)


def _configure(setup: LineSetup, connection: Connection) -> None:
    forwarded = [forward.number for forward in setup.forwards]
    number_settings.hold_all(connection, setup.username, [*forwarded, *filter(None, [setup.caller_id])])
    domain = connection.scalar(_DOMAIN_OF, {"username": setup.username})
    if domain is None:
        raise Refused("The line is not on the switch any more, so it cannot be set up.", code="line_missing")
    stored = connection.scalar(_SETUP_VERSION, {"username": setup.username})
    if stored is not None and int(stored) > setup.version:
        return
    rings = set(connection.execute(_RINGS, {"username": setup.username}).scalars())
    shown = setup.caller_id
    has = {"number": shown, "username": setup.username, "account": setup.account_id}
    # A number that was given back is neither shown nor forwarded, whatever the line was set up with: that rests with it.
    gone = {("forward", number) for number in forwarded if number not in rings}
    if shown and connection.scalar(_HAS, has) is None:
        gone.add(("caller_id", shown))
    wanted = {
        row._replace(attribute=number_settings.at_rest(row.attribute)) if (row.attribute, row.uuid) in gone else row
        for row in _preferences(setup.max_channels, shown, setup.account_id, setup.forwards)
    }
    number_settings.forget_resting(connection, setup.username, domain, forwarded)
    put(connection, setup.username, domain, wanted | {Preference("setup_version", str(setup.version))})


def _preferences(channels: int, caller_id: str | None, account: str | None, forwards: Sequence[Forward]) -> set[Preference]:
    # Forwarding is of a number and not of the line, so it is found by the number; the line's name is on it for its removal.
    wanted = {Preference("forward", forward.to, uuid=forward.number) for forward in forwards}
    if channels:
        wanted.add(Preference("max_channels", str(channels)))
    if caller_id:
        wanted.add(Preference("caller_id", caller_id, uuid=caller_id))
    if account is not None:
        wanted.add(Preference("account", account))
    return wanted


def _remove(removal: LineRemoval, connection: Connection) -> None:
    connection.execute(_CLOSE_KEY, {"key": removal.key})
    number_settings.hold_all(connection, removal.username)
    for statement in _REMOVE_LINE:
        connection.execute(statement, {"username": removal.username, "domain": removal.domain})
    if removal.account_id is not None:
        rights.leave(connection, removal.account_id)


async def _forget_device(http: httpx.AsyncClient, rpc_url: str, address_of_record: str) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "ul.rm", "params": ["location", address_of_record]}
    try:
        response = await http.post(rpc_url, json=request)
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _device_kept(type(error).__name__) from error
    if not isinstance(answer, dict) or not ("result" in answer or "AOR not found" in str(answer.get("error"))):
        raise _device_kept(f"HTTP status {response.status_code}")


def _device_kept(reason: str) -> Unavailable:
    return Unavailable(
        f"The line is removed from the switch's database, but the switch did not confirm that it forgot the registered device "
        f"({reason}). It is tried again; if this stays, check that Kamailio runs and DIALTONE_VOICE_RPC_URL is its JSON-RPC.",
        code="switch_unavailable",
    )


def _line_missing() -> Refused:
    sentence = "The line that this number rang is not on the switch any more, so it cannot ring it again."
    return Refused(sentence, code="line_missing")


def _alias_taken() -> ProvisioningRefused:
    return ProvisioningRefused(
        "One of the line's numbers already rings another line on the switch, so the line was not created. Free the number "
        "there or give the line another one, then try again.",
        code="alias_taken",
    )
