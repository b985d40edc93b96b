"""The names that people give columns."""

from __future__ import annotations

import pytest

from polarity_cli.formats.column_names import (
    is_identifier,
    is_known_name,
    is_nameless,
    is_star_name,
    is_title,
    normalise_name,
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("Review Text", "review_text", "reviewText", "reviewtext", "review/text", "data.Review-Text", " REVIEW TEXT "),
            "reviewtext",
        ),
        (("reviews.text", "Text", "a.b.text", "text."), "text"),
        (("Größe", "GRÖSSE"), "grösse"),
        (("...", ""), ""),
    ],
)
def test_names_that_differ_in_spelling_alone_are_one(names: tuple[str, ...], expected: str) -> None:
    for name in names:
        assert normalise_name(name) == expected, name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "helpful_votes",
            "confidence",
            "airline_sentiment_confidence",
            "Positive Feedback Count",
            "product_title",
            "label_text",
        ),
        *(
            "SentimentSource",
            "selected_text",
            "textID",
            "reviewerName",
            "review_date",
            "replyContent",
            "thumbsUpCount",
            "",
            "category",
        ),
    ],
)
def test_other_names_are_not_known(name: str) -> None:
    assert not is_known_name(name)


def test_titles_stars_row_numbers_and_nameless_columns_are_told_apart() -> None:
    assert all(map(is_title, ("title", "Summary", "review_headline", "reviews.title", "Subject")))
    assert all(
        map(is_star_name, ("rating", "Ratings", "stars", "Star", "score", "overall", "star_rating", "reviews.rating", "Rate"))
    )
    assert not any(map(is_star_name, ("label", "sentiment", "starting", "target", "liked", "feedback")))
    assert all(map(is_nameless, ("", " ", "Unnamed: 0", "Unnamed: 0.1")))
    assert all(map(is_identifier, ("id", "Clothing ID", "ProductId", "tweet_id", "index")))
    assert not any(map(is_identifier, ("label", "paid", "valid")))
