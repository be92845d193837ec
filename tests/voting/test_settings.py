"""Settings: typed, with defaults, read once from the environment; keys made on first use."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from voting.settings import Settings, variable


def test_defaults_are_those_of_a_demo_on_this_machine() -> None:
    settings = Settings.from_env({})
    assert settings.embedded and settings.demo
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.log_origin == "127.0.0.1:8000"
    assert settings.base_url == "http://127.0.0.1:8000" and not settings.secure_cookies
    assert settings.site_name_ru == "Голос города" and settings.zone.key == "Europe/Moscow"
    assert settings.trusted_proxies == ()
    assert (settings.session_idle, settings.session_absolute) == (timedelta(minutes=30), timedelta(hours=12))
    assert settings.keys_dir == settings.data_dir / "keys"


def test_the_environment_is_read_and_typed() -> None:
    settings = Settings.from_env(
        {
            "VECHE_DATABASE_URL": "postgresql://u:hidden@db/veche",
            "VECHE_BASE_URL": "https://golos.example/",
            "VECHE_TRUSTED_PROXIES": "10.0.0.1, fd00::/8",
            "VECHE_DATA_DIR": "/srv/veche",
            "VECHE_SITE_NAME_EN": "",
            "PORT": "9000",
        }
    )
    assert not settings.demo and not settings.embedded
    assert settings.log_origin == "golos.example"
    assert settings.base_url == "https://golos.example" and settings.secure_cookies
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.1/32", "fd00::/8"]
    assert settings.keys_dir == Path("/srv/veche/keys")
    assert settings.site_name_en == "City Voice"
    assert settings.port == 9000
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    "env",
    [
        {"VECHE_DEMO": "no"},
        {"VECHE_TIME_ZONE": "Moscow/Europe"},
        {"VECHE_BASE_URL": "golos.example"},
        {"VECHE_LOG_ORIGIN": "golos example"},
        {"VECHE_LOG_ORIGIN": "https://golos.example"},
        {"VECHE_LOG_ORIGIN": "golos+example"},
        {"VECHE_TRUSTED_PROXIES": "everyone"},
        {"PORT": "http"},
    ],
)
def test_nonsense_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.from_env(env)


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, variable(name)


def test_keys_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(settings.secret, ["receipt"] * 8))
    assert len(keys) == 1 and len(keys.pop()) == 32
    assert stat.S_IMODE((settings.keys_dir / "receipt").stat().st_mode) == 0o600
    assert [path.name for path in settings.keys_dir.iterdir()] == ["receipt"]
    assert settings.secret("receipt") != settings.secret("board")


def test_rotated_keys_keep_their_older_versions(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert list(settings.secret_versions("identity")) == [1]
    first = settings.secret("identity-1")
    settings.secret("identity-2")
    assert list(settings.secret_versions("identity")) == [1, 2]
    assert settings.secret_versions("identity")[1] == first


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.secret("receipt")
    (settings.keys_dir / "receipt").write_bytes(b"short")
    with pytest.raises(ValueError, match="too short"):
        settings.secret("receipt")
