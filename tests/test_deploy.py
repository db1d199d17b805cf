"""The scripts and programs of deploy/, each against the real thing that it will meet in its container."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import URL, make_url
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from starter.local.temporal_server import RunningTemporal, missing_search_attributes
from tests.adapters.voice.ground import DOMAIN, SECRETS, line, password
from tests.postgres import PostgresServer, running_postgres
from tests.sip import RunningKamailio, require_sip

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def run(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with little else than the programs that are installed beside this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    return subprocess.run(
        [program, *arguments], env={"PATH": path, "HOME": "/", **environment}, capture_output=True, text=True, check=False
    )


async def test_the_namespace_gets_its_search_attributes_once(temporal_server: RunningTemporal) -> None:
    for _ in range(2):
        made = run(
            DEPLOY / "temporal/namespace.sh", TEMPORAL_ADDRESS=temporal_server.address, TEMPORAL_NAMESPACE="made-by-script"
        )
        assert made.returncode == 0, made.stderr
    client = await Client.connect(temporal_server.address, namespace="made-by-script")
    assert await missing_search_attributes(client) == set()


def test_temporals_schema_is_brought_up_in_both_databases(tmp_path: Path) -> None:
    """The tool comes with the image only, so this sees what would be asked of it."""
    tool = tmp_path / "temporal-sql-tool"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    asked = run(DEPLOY / "temporal/schema.sh", POSTGRES_SEEDS="postgres", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert asked.returncode == 0, asked.stderr
    where = "--plugin postgres12 --endpoint postgres --port 5432 --user temporal --database"
    schema = "/etc/temporal/schema/postgresql/v12"
    assert asked.stdout.splitlines() == [
        f"{where} temporal setup-schema --version 0.0",
        f"{where} temporal update-schema --schema-dir {schema}/temporal/versioned",
        f"{where} temporal_visibility setup-schema --version 0.0",
        f"{where} temporal_visibility update-schema --schema-dir {schema}/visibility/versioned",
    ]


@pytest.fixture(scope="module")
def new_volume() -> Iterator[PostgresServer]:
    """A server as the official image has it before its first start: nobody but the superuser ``postgres``."""
    with running_postgres() as server:
        plain = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": server.password}
        for user, statement in (
            ("dialtone", f"CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{server.password}'"),
            ("postgres", "ALTER ROLE dialtone RENAME TO somebody"),
        ):
            done = run(server.binaries / "psql", "--username", user, "--dbname", "postgres", "--command", statement, **plain)
            assert done.returncode == 0, done.stderr
        created = run(
            DEPLOY / "postgres/create-databases.sh",
            **{**plain, "PATH": f"{server.binaries}:{os.environ['PATH']}", "POSTGRES_USER": "postgres"},
            DATABASE_PASSWORD="d'1",
            SWITCH_DATABASE_PASSWORD="switch",
            TEMPORAL_DATABASE_PASSWORD="temporal",
        )
        assert created.returncode == 0, created.stderr
        yield server


def url(server: PostgresServer, user: str, password: str, database: str) -> URL:
    return make_url(server.url(database)).set(username=user, password=password)


async def test_the_switch_reads_its_tables_and_can_do_nothing_else(new_volume: PostgresServer) -> None:
    require_sip()
    ours = url(new_volume, "dialtone", "d'1", "kamailio").render_as_string(hide_password=False)
    theirs = url(new_volume, "kamailio", "switch", "kamailio")
    await create_tables(ours)
    switch = KamailioSwitch(ours, SECRETS)
    try:
        await switch.provision(line("d1", "+441214960101", max_channels=1))
    finally:
        await switch.close()

    async with RunningKamailio(theirs.render_as_string(hide_password=False)) as kamailio:
        assert await kamailio.register("d1", DOMAIN, password(line("d1")))

    connection = await asyncpg.connect(theirs.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        for statement in ("DELETE FROM subscriber", "UPDATE dbaliases SET username = 'me'", "CREATE TABLE mine (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("user", "secret", "database"),
    [("kamailio", "switch", "dialtone"), ("kamailio", "switch", "temporal"), ("temporal", "temporal", "dialtone")],
)
async def test_no_part_reads_anothers_database(new_volume: PostgresServer, user: str, secret: str, database: str) -> None:
    address = url(new_volume, user, secret, database).set(drivername="postgresql")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(address.render_as_string(hide_password=False))


@pytest.mark.parametrize("advertised", ["", "203.0.113.10:5060"])
def test_the_switchs_container_starts_it_with_a_configuration_that_it_takes(advertised: str) -> None:
    require_sip()
    checked = run(
        DEPLOY / "kamailio/entrypoint.sh",
        "-c",
        DATABASE_URL="postgres://kamailio:secret@postgres/kamailio",
        KAMAILIO_CFG=str(DEPLOY / "kamailio/kamailio.cfg"),
        ADVERTISED=advertised,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(f"advertise {advertised}") == (2 if advertised else 0)


def test_the_switchs_password_is_on_no_command_line(tmp_path: Path) -> None:
    kamailio = tmp_path / "kamailio"
    kamailio.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho "environment: $DATABASE_URL"\n')
    kamailio.chmod(0o755)
    address = "postgres://kamailio:secret@postgres/kamailio"
    started = run(DEPLOY / "kamailio/entrypoint.sh", DATABASE_URL=address, PATH=f"{tmp_path}:{os.environ['PATH']}")
    *arguments, environment = started.stdout.splitlines()
    assert "WITH_POSTGRESQL" in arguments
    assert "secret" not in " ".join(arguments)
    assert environment == f"environment: {address}"


@workflow.defn
class Idle:
    """A workflow that nobody starts: a worker must know one to ask for work."""

    @workflow.run
    async def run(self) -> None: ...


async def test_a_worker_is_healthy_while_it_asks_for_work(temporal_server: RunningTemporal) -> None:
    client = await Client.connect(temporal_server.address)

    async def health() -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            run,
            Path(sys.executable),
            str(DEPLOY / "worker_health.py"),
            PYTHONPATH=str(ROOT),
            TEMPORAL_ADDRESS=temporal_server.address,
            DIALTONE_TASK_QUEUE="health",
        )

    before = await health()
    assert (before.returncode, before.stderr) == (
        1,
        "No worker on this host has asked for work on the task queue health lately.\n",
    )
    async with Worker(client, task_queue="health", workflows=[Idle], workflow_runner=UnsandboxedWorkflowRunner()):
        async with asyncio.timeout(20):
            while (during := await health()).returncode:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.1)  # the server counts a worker from its first question on
    assert (during.returncode, during.stderr) == (0, "")


def test_a_worker_without_temporal_is_not_healthy() -> None:
    health = run(Path(sys.executable), str(DEPLOY / "worker_health.py"), PYTHONPATH=str(ROOT), TEMPORAL_ADDRESS="127.0.0.1:1")
    assert health.returncode == 1
    assert health.stderr.startswith("Temporal does not answer at 127.0.0.1:1")


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_what_cannot_be_installed_is_named_and_in_ci_a_failure(tmp_path: Path, ci: str, status: int) -> None:
    """A machine with neither sipp nor a browser nor apt-get."""
    for program in ("bash", "env", "python3"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    done = run(DEPLOY / "install-test-system.sh", PATH=str(tmp_path), CI=ci)
    assert done.returncode == status
    assert "Left out, because sipp is missing: the tests of telephones that register and call." in done.stderr
    assert "sudo apt-get install --no-install-recommends" in done.stderr
    assert "sip-tester" in done.stderr
