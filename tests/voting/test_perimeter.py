import ipaddress

import pytest
from tests.sites import site_settings

from voting.perimeter import client_address, host_allowed, network_of

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


def scope(peer: str, *forwarded: str):
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.7", ["198.51.100.1"], (), "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], PROXIES, "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], (), "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], PROXIES, "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], PROXIES, "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1, 10.9.9.9"], PROXIES, "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1"], PROXIES, "198.51.100.1"),
        ("10.0.0.1", ["nonsense, 10.9.9.9"], PROXIES, "10.9.9.9"),
        ("10.0.0.1", [], PROXIES, "10.0.0.1"),
        ("fd00::1", ["2001:db8::5"], PROXIES, "2001:db8::5"),
    ],
)
def test_a_forwarded_address_is_believed_of_our_proxies_only(peer, forwarded, trusted, address):
    assert client_address(scope(peer, *forwarded), trusted) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("", "unknown"),
        ("unix", "unknown"),
    ],
)
def test_limits_count_by_networks(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("base_url", "host", "allowed"),
    [
        ("https://city.test", "city.test", True),
        ("https://city.test", "CITY.test", True),
        ("https://city.test", "evil.test", False),
        ("https://city.test", "city.test.evil.test", False),
        ("https://city.test", "city.test:8000", False),
        ("https://city.test", "localhost", False),
        ("https://city.test", None, False),
        ("http://127.0.0.1:8000", "localhost:8000", True),
        ("http://127.0.0.1:8000", "[::1]:9000", True),
        ("http://127.0.0.1:8000", "city.test:8000", False),
        ("http://127.0.0.1:8000", "127.0.0.1", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000@evil", False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000:evil", False),
        ("http://127.0.0.1:8000", "127.0.0.1:", False),
        ("http://127.0.0.1:8000", "localhost:٨٠٠٠", False),
        ("http://127.0.0.1:8000", "localhost:8000\n", False),
        ("http://127.0.0.1:8000", "localhost:8000.evil.test", False),
        ("http://127.0.0.1:8000", "[::1]evil.test", False),
        ("http://127.0.0.1:8000", "[::1]:8000@evil", False),
        ("http://[::1]:8000", "[::1]:8001", True),
    ],
)
def test_hosts(tmp_path, base_url, host, allowed):
    assert host_allowed(site_settings(tmp_path, base_url=base_url), host) is allowed
