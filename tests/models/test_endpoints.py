from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from promptctl.errors import ModelConfigurationError
from promptctl.models.endpoints import address_of, checked_base, proxy_for
from promptctl.models.gateway import Endpoint

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("address", "environ", "proxy"),
    [
        ("https://api.example/v1", {}, None),
        ("https://api.example/v1", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"https_proxy": "proxy.example:3128"}, PROXY),
        ("https://api.example/v1", {"ALL_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://api.example/v1", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.example,.example"}, None),
        ("https://api.example/v1", {"HTTPS_PROXY": PROXY, "no_proxy": "*"}, None),
        ("https://api.example/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.other"}, PROXY),
        ("http://127.0.0.1:8000/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://localhost:8000/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:8000/v1", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    address: str, environ: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for("openai/x", urlsplit(address), environ) == proxy


def test_a_proxy_of_another_kind_is_refused_without_showing_it() -> None:
    with pytest.raises(ModelConfigurationError, match="not an HTTP proxy") as caught:
        proxy_for("openai/x", urlsplit("https://api.example/v1"), {"ALL_PROXY": "socks5://user:canary@p:1"})
    assert "canary" not in str(vars(caught.value))


@pytest.mark.parametrize("address", ["http://h/v1", "https://h:8443/v1/", "http://[::1]:8000/v1", "https://h?x=1"])
def test_addresses_that_can_be_used(address: str) -> None:
    assert checked_base("m/x", Endpoint(address)).hostname


@pytest.mark.parametrize(
    "address", ["", "h/v1", "file:///etc/passwd", "http://h:99999/v1", "http://h:0/v1", "http://a b/", "http://h\n/"]
)
def test_addresses_that_cannot(address: str) -> None:
    with pytest.raises(ModelConfigurationError, match="the address set for m/x cannot be used"):
        checked_base("m/x", Endpoint(address))


def test_headers_of_the_endpoint_win_over_our_own() -> None:
    endpoint = Endpoint("http://h/v1", "key", {"authorization": "Token other", "X-A": "1"})
    headers = address_of("m/x", endpoint, "", {}).headers
    assert headers.getall("Authorization") == ["Token other"]
    assert headers["x-a"] == "1"


@pytest.mark.parametrize("headers", [{"X-A": "canary\r\nX-B: 1"}, {"X A": "canary"}, {"": "canary"}])
def test_headers_that_cannot_be_sent_are_refused_without_showing_them(headers: dict[str, str]) -> None:
    with pytest.raises(ModelConfigurationError, match="a header set for m/x") as caught:
        address_of("m/x", Endpoint("http://h/v1", None, headers), "", {})
    assert "canary" not in str(vars(caught.value))
