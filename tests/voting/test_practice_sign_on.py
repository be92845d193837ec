"""The sign-on to try beside the demo: who is in it, and where it does not run."""

import socket
import stat
from pathlib import Path

import httpx
import pytest
from tests.sites import site_settings

from polls.identity import identity_key
from voting.demo.residents import RESIDENTS
from voting.demo.sign_on import CONFIRMED, NoSignOn, people, provider_at, running_provider
from voting.settings import Settings


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "demo": True, **more})


def test_every_resident_of_the_demo_is_there_and_two_who_are_not_let_in() -> None:
    listed = {one["id"]: one for one in people()}
    assert len(listed) == len(people()) == len(RESIDENTS) + 2
    for one in RESIDENTS:
        assert listed[one.key]["claims"] == {"national_id": one.national_id}
        assert listed[one.key]["acr"] == CONFIRMED
    provider = provider_at(8001)
    refused = [one for key, one in listed.items() if key not in {known.key for known in RESIDENTS}]
    assert [provider.levels[one["acr"]] >= provider.least_level for one in refused] == [True, False]
    stranger = refused[0]["claims"]["national_id"]
    assert identity_key(b"k" * 32, "national_id", stranger), "a number that could be one"
    assert stranger not in {one.national_id for one in RESIDENTS}


def test_it_runs_beside_the_demo_and_ends_with_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = settings(tmp_path)
    try:
        with running_provider(site, port) as provider:
            told = httpx.get(f"{provider.issuer}/.well-known/openid-configuration", trust_env=False).json()
            assert told["issuer"] == provider.issuer
            secret = site.keys_dir / provider.secret_name
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600 and len(secret.read_text()) > 32
            with pytest.raises(NoSignOn, match="taken"), running_provider(site, port):
                pass
            assert Settings(data_dir=tmp_path, demo=True, city_sign_on=(provider,)).city_sign_on[0] == provider
    except NoSignOn as lack:
        pytest.skip(str(lack))
    with pytest.raises(httpx.ConnectError):
        httpx.get(provider.issuer, trust_env=False)


def test_it_runs_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(NoSignOn, match="demo"), running_provider(site_settings(tmp_path), 8001):
        pass
