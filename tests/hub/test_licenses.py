"""Licences are ids of the Hub; what is written like one leads to it."""

from __future__ import annotations

import pytest

from polarity_cli.errors import UsageError
from polarity_cli.hub.licenses import LICENSES, check_license


def test_ids_are_whole_and_once() -> None:
    assert len(LICENSES) == len(set(LICENSES)) > 70
    for name in LICENSES:
        check_license(name, "--license")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("MIT", "mit"), ("Apache 2.0", "apache-2.0"), ("CC-BY-4", "cc-by-4.0"), ("gpl3", "gpl-3.0"), ("bsd3", "bsd-3-clause")],
)
def test_what_is_written_like_an_id_leads_to_it(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_license(typed, "--license")
    assert typed in str(caught.value)
    assert meant in str(caught.value.hint)


def test_what_is_like_nothing_leads_to_the_usual_ones() -> None:
    with pytest.raises(UsageError) as caught:
        check_license("\u4e2d\u6587", "--license")
    assert "apache-2.0, mit" in str(caught.value.hint)
