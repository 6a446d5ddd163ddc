"""Secrets do not reach what people and logs are shown."""

from __future__ import annotations

import pytest

from incnb.model import redacted, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:hunter2@host/db", "postgres://me:…@host/db"),
        ("postgres://me:hun@ter2@host/db", "postgres://me:…@host/db"),
        ("os.environ['API_TOKEN'] = 'abc'", "os.environ['API_TOKEN'] = …"),
        ("%env MY_KEY=abc", "%env MY_KEY=…"),
        ("{'password': 'x', 'n': 1}", "{'password': …, 'n': 1}"),
        ("connect(password='x', user='me')", "connect(password=…, user='me')"),
        ("token = os.environ['API_TOKEN']", "token = os.environ['API_TOKEN']"),
        ("token = os.getenv('API_TOKEN', 'zq')", "token = os.getenv('API_TOKEN', …)"),
        ("get('/x?api_key=zq&n=1')", "get('/x?api_key=…&n=1')"),
        ("!tool --password=zq --n 1", "!tool --password=… --n 1"),
        ("!tool --token zq --n 1", "!tool --token … --n 1"),
        ("run(['tool', '--token', 'zq', 'n'])", "run(['tool', '--token', …, 'n'])"),
        ("password = (\n    'zq'\n)\nn = 'x'", "password = (\n    …\n)\nn = 'x'"),
    ],
)
def test_passwords_and_what_is_assigned_to_names_of_secrets(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "token: str = 'ZQZQ'",
        "token: 'str | None' = 'ZQZQ'",
        "def f(a, token: str = 'ZQZQ'): pass",
        "api_key = b'ZQZQ'",
        "api_key = f'ZQZQ{1}'",
        "api_key = rb'ZQZQ'",
        "apiKey = 'ZQZQ'",
        "PGPASSWORD='ZQZQ'",
        "api_keys = ['ZQZQ', 'ZQZQ']",
        "api_keys = [\n    'a',\n    'ZQZQ',\n]",
        "user, password = 'x', 'ZQZQ'",
        "password, user = 'ZQZQ', 'x'",
        "(user, password) = 'x', 'ZQZQ'",
        "password = x or 'ZQZQ'",
        "token = str('ZQZQ')",
        "(token := 'ZQZQ')",
        "token += 'ZQZQ'",
        "x = dict(token=str('ZQZQ'))",
        'private_key = """\nZQZQ\n"""\n',
        "private_key = '''ZQZQ\nthe text was cut here: ZQZQ",
        "token = 'cut ZQZQ",
        "token = 'it\\'s ZQZQ'",
        "{}.setdefault('API_TOKEN', 'ZQZQ')",
        "os.getenv('QQ_TOKEN', 'ZQZQ')",
        "os.environ.get('QQ_TOKEN', 'ZQZQ')",
        "monkeypatch.setenv('QQ_TOKEN', 'ZQZQ')",
        "password == 'ZQZQ'",
        "u = 'https://h/x?n=1&access_token=ZQZQ'",
        "h = 'Authorization: Bearer ZQZQ'",
        "h = {'Authorization': 'Bearer ZQZQ'}",
        "curl -H 'Authorization: Basic ZQZQ' x",
        "curl -H 'X-Api-Key: ZQZQ' x",
        "h = 'Bearer ZQZQ'",
        "!tool --password='a ZQZQ'",
        "!export API_KEY=ZQZQ",
        '{"password": "ZQZQ"}',
        "-    token = 'ZQZQ'\n+    token: str = 'ZQZQ'",
    ],
)
def test_no_form_of_a_literal_gets_through(text: str) -> None:
    assert "ZQZQ" not in redacted(text)
    assert "ZQZQ" not in shorten(text)


@pytest.mark.parametrize(
    "text",
    [
        "sorted(xs, key=len)",
        "sorted(xs, key=lambda row: row['name'])",
        "for key, value in d.items():\n    print('a', key)",
        "author = 'me'",
        "monkey = 'x'",
        "tokenizer = 'bert'",
        "keyboard = 'qwerty'",
        "KEYBOARD = 'qwerty'",
        "df.merge(other, on=['key', 'b'])",
        "if key == 'a': pass",
        "if not token: raise ValueError('none')",
        "if key: x = 'y'",
        "f(key, title='x')",
        "d.get('key')",
        "group('key', 'inner')",
        "http://host:80/path",
        "f'https://h/?token={token}'",
        "f'Bearer {token}'",
        "passed = 'yes'",
        "compass = 'north'",
        "a = b - key + 'x'",
        "%%incremental --keep-going\nx = 'a'",
    ],
)
def test_harmless_code_stays(text: str) -> None:
    assert redacted(text) == text


def test_values_of_secret_variables_wherever_they_turn_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "zqSECRETzq")
    assert shorten("changed: 'zqSECRETzq'") == "changed: '…'"


@pytest.mark.parametrize(
    "value",
    [
        "zqzqzq-LEAK-zqzq",
        "LEAK" + "abcdefghij" * 500,
        "-----BEGIN KEY-----\nLEAKpemline\nAAAAAA\n-----END KEY-----\n",
        "ab'cd\"LEAKq",
        "ab'cdLEAKq",
        "ab\\LEAKb",
        "pä\x1bLEAKu",
        "ab  LEAKsp cd",
    ],
    ids=["plain", "long", "lines", "quotes", "quote", "backslash", "escape", "spaces"],
)
def test_values_of_secret_variables_that_are_not_plain(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", value)
    told = [value, repr(value), repr([value, '"', 1]), repr({"a": value}), repr(value.encode()), repr(f"x\"{value}'")]
    told += [repr(value[:220]), repr(value)[:120], " ".join(value.split())]
    for text in told:
        assert "LEAK" not in shorten(text)
        assert "LEAK" not in redacted(f"x = {text}")


def test_files_beside_a_file_of_secrets_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTHORITY", "/home/somebody/folder/.Xauthority")
    assert redacted("/home/somebody/folder/data.csv") == "/home/somebody/folder/data.csv"
