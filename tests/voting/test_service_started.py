"""What the service says of itself when it starts: no secret is in it, and another setting gives another hash."""

from pathlib import Path

from tests.sites import site_settings

from voting.auditing.starting import SECRET, settings_hash
from voting.settings import Settings


def test_settings_that_hold_passwords_are_no_part_of_the_hash(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    secret = settings.model_copy(
        update={"database_url": "postgresql://a:Zqx@b/c", "owner_database_url": "postgresql://o:Zqx@b/c"}
    )
    assert settings_hash(secret) == settings_hash(settings)
    for name, field in Settings.model_fields.items():
        if "url" in name and name != "base_url":
            assert name in SECRET or not field.repr, f"{name} may hold a password: repr=False"


def test_another_setting_gives_another_hash(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    assert settings_hash(settings.model_copy(update={"body_limit": 4096})) != settings_hash(settings)
    assert len(settings_hash(settings)) == 64
