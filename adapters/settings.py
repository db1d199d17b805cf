"""Everything that differs between one installation and the next, read once at the start of a process.

Names are ``DIALTONE_*`` environment variables. The Temporal connection is configured by Temporal's own ``TEMPORAL_*``
variables or profile file (``temporalio.envconfig``), so one way works for all tools.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.bulk import MOST_OTHERS
from domain.users import LEAST_FLOOR

_DEVELOPMENT_SECRET = "development-only-secret-never-in-production"  # noqa: S105 - known to everybody, and refused for it
_DEVELOPMENT_WEBHOOK_SECRET = "whsec_dialtone_development"  # noqa: S105


class Settings(BaseSettings):
    """Settings of a Dialtone process. ``environment=production`` refuses everything that is only fit for a laptop."""

    model_config = SettingsConfigDict(env_prefix="DIALTONE_", extra="ignore")

    environment: Literal["development", "production"] = "development"
    """``production`` refuses to start with anything that is only fit for a laptop."""
    state_dir: Path = Path(".dialtone")
    """Where the embedded databases are, and what the local stack keeps."""
    base_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8400")
    """Where customers reach the web process: the origin of every link in a mail, never taken from a request."""
    secret: SecretStr = SecretStr(_DEVELOPMENT_SECRET)
    """Root of the activation links and of the derived SIP passwords: at least 32 random bytes in production."""
    payload_keys: SecretStr | None = None
    """``id:base64key[,id:base64key]``: encrypts everything in workflow histories; the first key encrypts, all decrypt."""
    payload_accept_plain: bool = False
    """Read unencrypted histories too: after encryption was turned on, until the last run from before has ended."""

    database_url: str = ""
    """``postgresql://user:password@host/database``; empty: a SQLite file in ``state_dir``."""
    voice_database_url: str = ""
    """Kamailio's database; empty: a SQLite file in ``state_dir``."""
    voice_rpc_url: AnyHttpUrl | None = None
    """Kamailio's JSON-RPC: used to drop a removed line's registration at once. Unset: it expires by itself."""

    smtp_host: str = "127.0.0.1"
    """The mail relay."""
    smtp_port: int = 8425
    """The relay's port: usually 587 with ``starttls``, 465 with ``implicit``."""
    smtp_username: str | None = None
    """Empty: the relay wants no login."""
    smtp_password: SecretStr | None = None
    """The password of that user."""
    smtp_tls: Literal["none", "starttls", "implicit"] = "none"
    """How the connection is encrypted; ``none`` is not for production."""
    mail_from: str = "Dialtone <onboarding@dialtone.example>"
    """Address that letters come from; the name shown and the reply address are the white label's."""

    stripe_api_key: SecretStr = SecretStr("sk_test_dialtone")
    """Stripe's secret key."""
    stripe_api_base: AnyHttpUrl | None = AnyHttpUrl("http://127.0.0.1:8420")
    """The embedded gateway; empty for Stripe itself."""
    stripe_webhook_secret: SecretStr = SecretStr(_DEVELOPMENT_WEBHOOK_SECRET)
    """Signing secret of the webhook endpoint: proves that a report comes from the gateway. Of two endpoints both, with a comma between."""

    password_min_length: int = Field(default=12, ge=LEAST_FLOOR, le=64)
    """Fewest characters of a user's password; six is the least that may be set."""

    bulk_other_recipients: int = Field(default=MOST_OTHERS, ge=0)
    """How many addresses that are neither a customer's nor the white label's one file of orders may have written to."""

    task_queue: str = "onboarding"
    """Temporal's task queue: the same for worker and web."""
    deployment_name: str = "dialtone"
    """Worker Deployment that the build ids belong to."""
    build_id: str = ""
    """Worker Deployment Version; empty: this installation does not version its workers."""

    @field_validator("payload_keys", "voice_rpc_url", "smtp_username", "smtp_password", "stripe_api_base", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        # An environment cannot say None, and for some of these None is not the default.
        return None if value == "" else value

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.environment != "production":
            return self
        wrong = []
        if self.secret.get_secret_value().startswith("development-only") or len(self.secret.get_secret_value()) < 32:
            wrong.append("DIALTONE_SECRET needs at least 32 random characters")
        if self.payload_keys is None:
            wrong.append("DIALTONE_PAYLOAD_KEYS is missing, so customers' data would lie in workflow histories in clear")
        if not self.database_url or self.database_url.startswith("sqlite"):
            wrong.append("DIALTONE_DATABASE_URL must be a PostgreSQL database")
        if self.stripe_api_base is not None or self.stripe_api_key.get_secret_value() == "sk_test_dialtone":
            wrong.append("DIALTONE_STRIPE_API_BASE points to the simulated gateway, or DIALTONE_STRIPE_API_KEY is not set")
        if _DEVELOPMENT_WEBHOOK_SECRET in self.stripe_webhook_secret.get_secret_value():
            wrong.append("DIALTONE_STRIPE_WEBHOOK_SECRET is not set")
        if self.smtp_tls == "none":
            wrong.append("DIALTONE_SMTP_TLS must be starttls or implicit")
        if self.base_url.scheme != "https":
            wrong.append("DIALTONE_BASE_URL must be https")
        if wrong:
            raise ValueError("not fit for production: " + "; ".join(wrong))
        return self

    def refusals_to_listen_on(self, host: str) -> list[str]:
        """What must be set before strangers may reach the web process: sentences, none for loopback.

        Everybody knows the secrets for development. Whoever reaches a process that uses them can make activation links and
        reports of the card gateway.
        """
        if _is_loopback(host):
            return []
        wrong = []
        if self.secret.get_secret_value() == _DEVELOPMENT_SECRET:
            wrong.append("DIALTONE_SECRET is the one for development: set it to 32 random bytes (openssl rand -hex 32)")
        if _DEVELOPMENT_WEBHOOK_SECRET in self.stripe_webhook_secret.get_secret_value():
            wrong.append("DIALTONE_STRIPE_WEBHOOK_SECRET is the one for development: set it to the endpoint's own (whsec_...)")
        return wrong

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.state_dir.absolute() / 'dialtone.db'}"

    @property
    def voice_database(self) -> str:
        return self.voice_database_url or f"sqlite:///{self.state_dir.absolute() / 'kamailio.db'}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
