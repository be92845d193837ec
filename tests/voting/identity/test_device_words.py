import pytest

from voting.identity.device_words import device_words

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, ("Chrome", "Windows")),
        (f"{CHROME} Edg/131.0", ("Edge", "Windows")),
        (CHROME.replace("Chrome/131.0", "Chrome/131.0 YaBrowser/24.1"), ("Яндекс Браузер", "Windows")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Version/18.0 Mobile Safari/604.1", ("Safari", "iPhone")),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", ("Firefox", "Linux")),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/130.0 Mobile Safari/537.36", ("Chrome", "Android")),
    ],
)  # fmt: skip
def test_browsers_are_named_in_two_words(agent, words) -> None:
    found = device_words(agent)
    assert found is not None and (found.browser, found.system) == words


@pytest.mark.parametrize("agent", ["", "curl/8.0", "x" * 5000, "Firefox/"])
def test_what_is_not_known_is_not_guessed(agent) -> None:
    assert device_words(agent) is None
