"""Messages of errors that are the user's to mend."""

from __future__ import annotations

import pytest

from fannsbench.errors import DatasetError, FilterError, PluginError, UnknownNameError, UserError, one_line


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("hnws", ["hnsw", "annoy"], "unknown algorithm 'hnws'; did you mean hnsw?"),
        ("hnsw2", ["hnsw", "hnsw1", "annoy"], "unknown algorithm 'hnsw2'; did you mean hnsw or hnsw1?"),
        ("xyz", ["hnsw", "annoy"], "unknown algorithm 'xyz'; known: annoy, hnsw"),
        ("xyz", [], "unknown algorithm 'xyz'; there is none yet"),
        ("xyz", (f"a{i:02}" for i in range(21)), ", a18, a19, ..."),
    ],
)
def test_unknown_names(name, known, says):
    assert str(UnknownNameError("algorithm", name, known)).endswith(says)


def test_a_hint_follows():
    assert str(UnknownNameError("data set", "x", [], "or build it")).endswith(
        "there is none yet; or build it"
    )


def test_all_are_the_users():
    for kind in (UnknownNameError, FilterError, DatasetError, PluginError):
        assert issubclass(kind, UserError)


def test_messages_of_others_are_put_on_one_line():
    assert one_line(ValueError("a\n  b\r\n\tc")) == "a b c"
