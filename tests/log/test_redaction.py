from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.log.redaction import Redactor, secrets_of
from promptctl.models.endpoints import known_provider, known_providers

SHAPES = [
    "sk-proj-abcdefghij0123456789",
    "sk-ant-api03-AAAAbbbbCCCC_dddd-EEEE1",
    "sk_live_0123456789abcdefABCD",
    "rk_test_0123456789abcdefABCD",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    *(f"gh{kind}_0123456789abcdefghij" for kind in "orsu"),
    "github_pat_11ABCDEFG0abcdefghijkl_mnop",
    "glpat-abcdefghij0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "xoxb-123456789012-abcdefghijkl",
    *(f"{provider}abcdefghijklmnopqrstuvwxyz012345" for provider in ("hf_", "gsk_", "xai-", "pplx-")),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
]


@pytest.mark.parametrize("key", SHAPES)
@pytest.mark.parametrize("around", ["{}", "key={},", "first line\n{}\nlast line", '"{}"', "\t{}", "\x1b{}"])
def test_texts_with_the_shape_of_a_key_are_hidden_in_text_and_in_json(key: str, around: str) -> None:
    redactor = Redactor()
    text = around.format(key)

    assert redactor.redact(text) == around.format("[redacted]")
    assert key not in redactor.redact_json(json.dumps({"content": text}))
    assert redactor.redact_data({"content": [text]}) == {"content": [around.format("[redacted]")]}


def test_headers_urls_and_private_keys_lose_only_their_secret() -> None:
    redact = Redactor().redact

    assert redact("Authorization: Bearer abc.def-0123456789") == "Authorization: Bearer [redacted]"
    assert redact("https://ada:hunter22@proxy.example:8080/x") == "https://[redacted]@proxy.example:8080/x"
    pem = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA\n" * 3 + "-----END RSA PRIVATE KEY-----"
    assert redact(f"a {pem} b") == "a [redacted] b"


@pytest.mark.parametrize(
    "text",
    [
        "task-0123456789abcdef0123456789",
        "a risk-averse-and-long-winded-sentence-2",
        "sk-a-long-name-without-any-digit-in-it",
        "the bearer of-very-good-news-today",
        "https://example.com/a:b@c",
        "commit 3f2a9c1d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor().redact(text) is text


def test_known_values_are_hidden_wherever_they_stand_also_escaped() -> None:
    redactor = Redactor(['pa"ss\\word', "schlüssel-wort"])
    data = {"a": 'it is pa"ss\\word.', "schlüssel-wort": ["x schlüssel-wort y"]}

    assert redactor.redact_data(data) == {"a": "it is [redacted].", "[redacted]": ["x [redacted] y"]}
    assert redactor.redact_json(json.dumps(data)) == json.dumps(redactor.redact_data(data))


def test_the_longest_known_value_wins() -> None:
    assert Redactor(["abcdefgh", "abcdefgh-ijkl"]).redact("abcdefgh-ijkl") == "[redacted]"


def test_a_secret_of_digits_that_stands_as_a_number_becomes_text_so_that_the_json_stays_json() -> None:
    redactor = Redactor(["12345678"])

    assert redactor.redact_data({"pin": 12345678, "n": 5, "t": "12345678!"}) == {
        "pin": "[redacted]",
        "n": 5,
        "t": "[redacted]!",
    }


def test_a_known_value_that_looks_like_a_long_name_is_hidden_too() -> None:
    redact = Redactor(["sk-our-own-proxy-without-digits", "without-digits-and-more"]).redact

    assert redact("x sk-our-own-proxy-without-digits y") == "x [redacted] y"
    assert redact("bearer is-without-digits-and-more") == "bearer is-[redacted]"


def test_long_texts_and_texts_that_are_not_valid_unicode_are_redacted_too() -> None:
    redactor = Redactor(["correct-horse"])

    assert redactor.redact("ü" * 9_000 + "correct-horse") == "ü" * 9_000 + "[redacted]"
    assert redactor.redact("\ud83d correct-horse") == "? [redacted]"
    assert redactor.redact("long " * 1_000) == "long " * 1_000


def test_short_values_are_not_taken_for_secrets() -> None:
    assert Redactor(["true", "", "prod"]).redact("true prod") == "true prod"


PROVIDERS = [known_provider(name) for name in known_providers()]
SIGN_INS = {
    way for provider in PROVIDERS for ways in (*provider.settings.values(), provider.other_ways) for way in ways
}
MODELS_KEYS = sorted(
    {key for provider in PROVIDERS for key in provider.keys}
    | {way for way in SIGN_INS if way.endswith(("KEY", "TOKEN"))}
)
SECRETS = {
    "DB_PASSWORD": "hunter22",
    "PGPASSWORD": "postgres!",
    "ADMIN_PASSWORD": "correct-horse-battery-staple",
    "LOCAL_KEY": "abc123def456",
    "ROOT_PASSWORD": "Tr0ub4dor&3",
    "S3_SECRET": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "DB_PWD": "4f9c2d71e8a3",
    "SIGNING_KEY": "/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "SMTP_PASS": "xkqjwvzpth",
    "GITHUB_TOKEN": "aGhTkLqWzX",
    "PIN_TOKEN": "12345678",
    "MAIL_PASSWORD": "abcd efgh ijkl mnop",
    "HASH_KEY": "3f2a9c1d8e7b6a5f",
    "MYSQL_PWD": "postgres1",
    "SENTRY_TOKEN_2": "550e8400-e29b-41d4-a716-446655440000",
    "LICENSE_KEY": "XQZK-7731-PLMW-0042",
    "LICENCE_KEY": "XQZK-PLMW",
    "MASTER_KEY": "0000-1111-2222-3333",
    "SECRET_KEY": "django12-abc",
    "MODEL_KEY": "gpt-4o-mini",
    "DATE_KEY": "2024-01-01",
    "WIFI_PASSWORD": "blue-tiger-lamp",
    "CARD_PASS": "ab-cd-ef-gh",
    "BOOT_PASSWORD": "production-xqzk",
    "STRIPE_KEY_PROD": "live9x8c7v6b",
    "NPM_AUTH": "bnBtOnNlY3JldA",
    "GH_PAT": "pat9x8c7v6b5",
    "SESSION_COOKIE": "s%3A9x8c7v6b",
    "SSHPASS": "open-sesame-4-all",
    "CACHE_KEY": "prompts-4f9c2d71e8a3",
}
WORDS = {
    "POSTGRES_PASSWORD": "postgres",
    "RABBITMQ_PASS": "rabbitmq",
    "MINIO_SECRET": "minioadmin",
    "ADMIN_TOKEN": "changeme",
    "PARTITION_KEY": "customer_id",
    "SORT_KEY": "created_at",
    "CACHE_KEY": "prompts-v1",
    "PRIMARY_KEY": "tenant-4o-db",
    "JOIN_KEY": "customerId",
    "ROUTING_KEY": "user:profile:data",
    "SHARD_KEY": "production-eu-west1",
    "SORT_KEY_2": "2024-01-01",
    "DB_PASS": "app_production",
    "SSH_KEY": "~/.ssh/id_rsa",
    "APP_CREDENTIALS": "/srv/gcp/key.json",
    "VAULT_SECRET": "./prod/db/password",
    "DB_PASSWORD": "short",
    "PWD": "/srv/work/app-4f9c2d71e8a3/src",
    "OLDPWD": "/4f9c2d71e8a3",
    "TLS_KEY": "/var/build/app-4f9c2d71e8a3/tls.pem",
    "PATH": "/usr/bin-0123456789",
    "KEYBOARD": "abc123def456",
    "TOKENIZERS_PARALLELISM": "abc123def456",
    "DATABASE_URL": "postgres://postgres:postgres@db/app",
    "HTTPS_PROXY": "http://proxy.example:3128",
    "API_KEY_NAME": "abc123def456",
    "TOKEN_LIMIT": "100000000",
}


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_a_value_of_a_variable_with_the_name_of_a_secret_is_hidden(name: str, value: str) -> None:
    redactor = Redactor(secrets_of({name: value}))

    for around in ("{}", "a {} b", '"{}"', "x\n{}\ny", "({}),"):
        assert redactor.redact(around.format(value)) == around.format("[redacted]")
        assert redactor.redact_data([around.format(value)]) == [around.format("[redacted]")]


@pytest.mark.parametrize(("name", "value"), WORDS.items())
def test_a_word_or_an_identifier_is_no_secret_whatever_its_variable_is_called(name: str, value: str) -> None:
    assert list(secrets_of({name: value})) == []


# Further variables that LiteLLM reads what it signs in with from.
READ_BY_LITELLM = [
    "AWS_BEARER_TOKEN_BEDROCK", "SNOWFLAKE_JWT", "WATSONX_ZENAPIKEY", "WATSONX_APIKEY", "WATSONX_TOKEN", "WX_API_KEY",
    "AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "AZURE_CERTIFICATE_PASSWORD", "DATABRICKS_CLIENT_SECRET", "COMETAPI_KEY",
    "AIMLAPI_KEY", "GIGACHAT_CREDENTIALS", "GIGACHAT_ACCESS_TOKEN", "FRIENDLI_TOKEN", "VERCEL_OIDC_TOKEN",
    "JINA_AI_TOKEN",
    "DATAROBOT_API_TOKEN", "SCW_SECRET_KEY", "VERTEXAI_CREDENTIALS", "AICORE_CLIENT_SECRET", "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_AWS_API_KEY", "BEDROCK_MANTLE_API_KEY", "REPLICATE_API_TOKEN", "MISTRAL_AZURE_API_KEY",
    "OPENAI_API_KEYS",
]  # fmt: skip


@pytest.mark.parametrize("name", [*MODELS_KEYS, *READ_BY_LITELLM, "OPENAI_API_KEY_2", "named_in_settings"])
def test_a_key_of_a_model_is_a_secret_whatever_it_is_made_of(name: str) -> None:
    redactor = Redactor(secrets_of({name: "postgres"}, certain={"named_in_settings"}))

    assert redactor.redact("postgres and postgresql, _postgres") == "[redacted] and postgresql, _postgres"


def test_each_item_of_a_list_is_a_secret() -> None:
    redactor = Redactor(secrets_of({"API_KEYS": "Qr7St9Uv2Wx4Yz, Wx3Yz5Ab8Cd1Ef6G"}))
    assert redactor.redact("a=Wx3Yz5Ab8Cd1Ef6G b=Qr7St9Uv2Wx4Yz") == "a=[redacted] b=[redacted]"


@pytest.mark.parametrize("key", ["hunter22", "sk-proj-canary+/9 0?", "key/with=odd&signs", "schl\u00fcssel-wort-9"])
def test_a_secret_is_hidden_in_base64_and_percent_encoded_too(key: str) -> None:
    redactor = Redactor(secrets_of({"A_TOKEN": key}))
    said = {quote(key, safe=""), quote(key), quote_plus(key), quote(key, safe="").replace("%C3%BC", "%c3%bc")} - {key}
    for user in ("", "u", "me:", "user:"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            said.add(encode(f"{user}{key}".encode()).decode())
            said.add(encode(f"{user}{key}, and more".encode()).decode())
    for text in said:
        for each in (text, f"Basic {text}", f"x{text}x", f"https://h/?q={text}&p=1"):
            assert "[redacted]" in redactor.redact(each), each
            assert "[redacted]" in redactor.redact_json(json.dumps([each]))


def test_the_password_of_an_address_and_each_key_of_a_list_are_secrets() -> None:
    environ = {"DATABASE_URL": "postgres://app:hunter22%2B@db/app", "KEYRING_TOKENS": "aGhTkLqWzX1,bGhTkLqWzX2"}
    redactor = Redactor(secrets_of(environ))
    assert redactor.redact("hunter22+ at db as app") == "[redacted] at db as app"
    assert redactor.redact("aGhTkLqWzX1 bGhTkLqWzX2") == "[redacted] [redacted]"


def test_a_word_of_a_passphrase_or_a_line_of_a_certificate_is_no_secret_of_its_own() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKC\n-----END PRIVATE KEY-----"
    redactor = Redactor(secrets_of({"MAIL_PASSWORD": "highest mountain, coldest pass", "VERTEXAI_CREDENTIALS": pem}))
    assert redactor.redact("the highest mountain has no -----BEGIN") == "the highest mountain has no -----BEGIN"
    assert redactor.redact("highest mountain, coldest pass") == "[redacted]"


def test_where_no_name_is_known_any_variable_may_hold_a_secret() -> None:
    environ = {"MY_GATE": "zq9x8c7v6b5n", "HOME": "/srv/x9c8v7b6", "LANG": "postgres", "TERM": "screen"}
    assert [each.name for each in secrets_of(environ, whatever_the_name=True)] == ["MY_GATE"]


def test_a_short_secret_is_hidden_as_a_whole_and_a_long_one_anywhere() -> None:
    redactor = Redactor(secrets_of({"A_TOKEN": "hunter22", "B_TOKEN": "f3a9c1d8e7b6a5f4e3"}))

    assert redactor.redact("hunter22 hunter221 xhunter22") == "[redacted] hunter221 xhunter22"
    assert redactor.redact("keyf3a9c1d8e7b6a5f4e3x") == "key[redacted]x"


def test_whatever_is_hidden_is_counted_and_named() -> None:
    redactor = Redactor(secrets_of({"A_TOKEN": "hunter22"}))
    redactor.redact("hunter22, sk-a-long-name-without-any-digit-in-it")
    assert redactor.news == "1 text was written as [redacted]: the value of A_TOKEN"
    assert redactor.holds_secret("hunter22")
    assert Redactor().news is None
    redactor.redact_data(["hunter22", SHAPES[0]])
    assert redactor.news == ("3 texts were written as [redacted]: the value of A_TOKEN (2), the shape of a key (1)")


# As the default, but at once: a codec's characters are tried one after the other.
ANY = st.characters(exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(ANY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ANY, max_size=5), inner, max_size=3),
    max_leaves=10,
)


SECRET = st.text(ANY, min_size=8, max_size=12).filter(lambda text: text == text.strip() and text not in "[redacted]")


@given(data=JSON, secret=SECRET)
def test_whatever_the_data_no_secret_survives_and_the_result_is_json(data: Any, secret: str) -> None:
    redactor = Redactor([secret])
    hidden = redactor.redact_data({"data": data, "text": f"<{secret}>", secret: 1})

    assert all(secret not in text for text in _texts(json.loads(json.dumps(hidden))))


def _texts(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [text for key, value in data.items() for text in (key, *_texts(value))]
    if isinstance(data, list):
        return [text for value in data for text in _texts(value)]
    return [data] if isinstance(data, str) else []


def test_very_many_long_secrets_are_hidden_and_nothing_quotes_them(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2's own bound on memory is passed by a hundred of them, and it would print the expression."""
    keys = {f"K{number}_API_KEY": f"{number:04}".join("abcdefgh") * 45 for number in range(110)}
    redactor = Redactor(secrets_of(keys))
    assert redactor.redact(" and ".join(["a" * 2_000, *keys.values()])).count("[redacted]") == 110
    assert capfd.readouterr() == ("", "")


def test_a_value_that_is_no_text_hides_nothing_and_breaks_nothing() -> None:
    """The environment may hold bytes that are no UTF-8; they come with half a surrogate pair in their place."""
    redactor = Redactor(["abc\udcffdefghijk", "correct-horse"])
    assert redactor.redact("it was correct-horse. " * 200).count("[redacted]") == 200
