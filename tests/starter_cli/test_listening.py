"""The secrets that everybody knows are for this machine only."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.settings import Settings
from starter.cli import main

OWN = {"secret": SecretStr("f" * 64), "stripe_webhook_secret": SecretStr("whsec_of_our_own")}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.4.1", "::1", "[::1]", "localhost"])
def test_on_loopback_the_secrets_for_development_do(host: str) -> None:
    assert Settings().refusals_to_listen_on(host) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "signup.example.com"])
def test_elsewhere_each_of_them_is_refused(host: str) -> None:
    assert [sentence.split()[0] for sentence in Settings().refusals_to_listen_on(host)] == [
        "DIALTONE_SECRET",
        "DIALTONE_STRIPE_WEBHOOK_SECRET",
    ]
    for name, value in OWN.items():
        (left,) = Settings.model_validate({name: value}).refusals_to_listen_on(host)
        assert f"DIALTONE_{name.upper()} " not in left
    assert Settings.model_validate(OWN).refusals_to_listen_on(host) == []


def test_web_says_what_to_set_and_does_not_start(
    in_empty_directory: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    in_empty_directory()
    with pytest.raises(SystemExit) as end:
        main(["web", "--host", "0.0.0.0", "--port", "1"])
    assert end.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "Not started" in said
    assert "set it to 32 random bytes (openssl rand -hex 32)" in said
