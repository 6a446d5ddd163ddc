"""Secrets do not reach what people and logs are shown."""

from __future__ import annotations

import pytest

from incnb.model import redacted, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:hunter2@host/db", "postgres://me:…@host/db"),
        ("os.environ['API_TOKEN'] = 'abc'", "os.environ['API_TOKEN'] = …"),
        ("%env MY_KEY=abc", "%env MY_KEY=…"),
        ("{'password': 'x', 'n': 1}", "{'password': …"),
        ("sorted(xs, key=len)", "sorted(xs, key=len)"),
        ("http://host:80/path", "http://host:80/path"),
    ],
)
def test_passwords_and_what_is_assigned_to_names_of_secrets(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_values_of_secret_variables_wherever_they_turn_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "zqSECRETzq")
    assert shorten("changed: 'zqSECRETzq'") == "changed: '…'"
