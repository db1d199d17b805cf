"""The product over either database, as tests/tenancy has it."""

from tests.tenancy.conftest import migrated_postgres, postgres, sqlite_template, town, url

__all__ = ["migrated_postgres", "postgres", "sqlite_template", "town", "url"]
