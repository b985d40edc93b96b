"""Which columns are read, by the layouts of public data sets, as asked and as in training."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from polarity_cli.data.columns import build_text, choose_label_column, choose_text_columns
from polarity_cli.errors import DataError

TWITTER = (
    "tweet_id airline_sentiment airline_sentiment_confidence negativereason negativereason_confidence airline name retweet_count"
)
US_REVIEWS = "marketplace customer_id review_id product_id product_title star_rating helpful_votes total_votes review_headline"
PLAY = "reviewId userName userImage content score thumbsUpCount reviewCreatedVersion at replyContent repliedAt appVersion"
DATAFINIT = (
    "id name asins reviews.date reviews.doRecommend reviews.id reviews.numHelpful reviews.rating reviews.text reviews.title"
)
CLOTHING = [
    "",
    "Clothing ID",
    "Age",
    "Title",
    "Review Text",
    "Rating",
    "Recommended IND",
    "Positive Feedback Count",
    "Class Name",
]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ("label title content", "title content", "label"),
        ("label content", "content", "label"),
        ("text label", "text", "label"),
        ("text label label_text", "text", "label"),
        ("idx sentence label", "sentence", "label"),
        ("review sentiment", "review", "sentiment"),
        ("Id ProductId UserId HelpfulnessNumerator Score Time Summary Text", "Summary Text", "Score"),
        ("reviewerID asin reviewerName helpful reviewText overall summary unixReviewTime", "summary reviewText", "overall"),
        ("rating title text images asin user_id timestamp helpful_vote verified_purchase", "title text", "rating"),
        (f"{US_REVIEWS} review_body review_date", "review_headline review_body", "star_rating"),
        ("review_id product_id stars review_body review_title language product_category", "review_title review_body", "stars"),
        ("review_id user_id business_id stars useful funny cool text date", "text", "stars"),
        (DATAFINIT, "reviews.title reviews.text", "reviews.rating"),
        (f"{TWITTER} text tweet_coord", "text", "airline_sentiment"),
        ("Review Liked", "Review", "Liked"),
        ("ItemID Sentiment SentimentSource SentimentText", "SentimentText", "Sentiment"),
        ("Freshness Review", "Review", "Freshness"),
        ("PhraseId SentenceId Phrase Sentiment", "Phrase", "Sentiment"),
        ("reviews reviewers date_reviews rating course_id", "reviews", "rating"),
        (PLAY, "content", "score"),
        ("App Translated_Review Sentiment Sentiment_Polarity Sentiment_Subjectivity", "Translated_Review", "Sentiment"),
        ("app_id app_name review_text review_score review_votes", "review_text", "review_score"),
        ("app_id review recommended votes_helpful", "review", "recommended"),
        ("product_name product_price Rate Review Summary Sentiment", "Summary Review", "Sentiment"),
        ("UserName ScreenName Location TweetAt OriginalTweet Sentiment", "OriginalTweet", "Sentiment"),
        ("target ids date flag user text", "text", "target"),
        ("textID text selected_text sentiment", "text", "sentiment"),
        ("uniqueID drugName condition review rating date usefulCount", "review", "rating"),
        ("review polarity", "review", "polarity"),
        ("package_name review date star", "review", "star"),
        ("review/summary review/text review/score review/time", "review/summary review/text", "review/score"),
        ("author_id rating is_recommended review_text review_title product_name", "review_title review_text", "rating"),
        ("headline is_sarcastic Class", "headline", "Class"),
        ("country description points label", "description", "label"),
        ("label rating text", "text", "label"),
        ("text comment label", "text", "label"),
    ],
)
def test_public_layouts_are_read_by_name(columns: str, text: str, label: str) -> None:
    text_columns = choose_text_columns(columns.split(), None, "r.csv:1")
    assert text_columns == tuple(text.split())
    assert choose_label_column(columns.split(), None, "r.csv:1", exclude=text_columns) == label


def test_names_with_spaces_are_read_too() -> None:
    assert choose_text_columns(CLOTHING, None, "r") == ("Title", "Review Text")
    assert choose_label_column(CLOTHING, None, "r") == "Rating"
    assert choose_text_columns(["Review Content", "Review Title", "Title", "Star"], None, "r") == (
        "Review Title",
        "Review Content",
    )


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ["a", "b"],
            "no column looks like the text; the columns are 'a', 'b'. Name the text columns in reading order, e.g. --text a,b.",
        ),
        (["text", "content"], "several columns could be the text: 'content', 'text'; the columns are"),
        (["Review Text", "comment", "b"], 'e.g. --text "Review Text,comment"'),
        (["title", "summary", "text"], "several columns could be the title: 'summary', 'title'"),
        (["", "label"], "Name the text columns in reading order with --text."),
        ([], "the columns are none"),
    ],
)
def test_unclear_text_columns_are_refused_with_the_choices(columns: list[str], expected: str) -> None:
    with pytest.raises(DataError) as raised:
        choose_text_columns(columns, None, "r.csv:1")
    assert expected in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["label", "sentiment"], "several columns could be the label: 'label', 'sentiment'"),
        (
            ["rating", "feedback", "verified_reviews"],
            "'feedback', 'rating'; the columns are 'feedback', 'rating', 'verified_reviews'",
        ),
        (["rating", "feedback"], "Name it: --label rating or --label feedback."),
        (
            ["text", "Fresh Or Not", "b"],
            "no column looks like the label; the columns are 'Fresh Or Not', 'b', 'text'. Name it: --label \"",
        ),
        (["text"], "Name the label column with --label."),
        (["text", "confidence", "helpful_votes"], "no column looks like the label"),
    ],
)
def test_unclear_label_columns_are_refused_with_the_choices(columns: list[str], expected: str) -> None:
    with pytest.raises(DataError) as raised:
        choose_label_column(columns, None, "r.csv:1")
    assert expected in f"{raised.value} {raised.value.hint}"


def test_asked_columns_match_exactly_then_in_spelling() -> None:
    columns = ["reviews.text", "Title", "Text", "stars"]
    assert choose_text_columns(columns, ("title", "Text"), "r") == ("Title", "Text")
    assert choose_label_column(columns, "Reviews.Stars", "r") == "stars"
    with pytest.raises(DataError, match=r"no column 'text', of --text text; 'Text', 'reviews.text' are spelled alike"):
        choose_text_columns(columns, ("text",), "r")
    with pytest.raises(DataError, match="no column 'title', of --text title,a"):
        choose_text_columns(["a"], ("title", "a"), "r")
    with pytest.raises(DataError, match="no column 'stars', of --label stars"):
        choose_label_column(["label"], "stars", "r")
    with pytest.raises(DataError, match=r"no column '\.\.\.'"):
        choose_label_column(["", "?"], "...", "r")


def test_asked_columns_come_before_preferred_and_found_ones() -> None:
    columns = ["title", "content", "summary"]
    assert choose_text_columns(columns, ("summary",), "r", preferred=("content",)) == ("summary",)
    assert choose_text_columns(columns, None, "r", preferred=("content",)) == ("content",)
    assert choose_text_columns(["title", "content"], None, "r", preferred=("absent",)) == ("title", "content")


def test_preferred_columns_are_taken_in_the_files_spelling_and_without_a_missing_title() -> None:
    trained = ("title", "content")
    assert choose_text_columns(["Title", "data.Content", "text"], None, "r", preferred=trained) == ("Title", "data.Content")
    assert choose_text_columns(["content", "text"], None, "r", preferred=trained) == ("content",)
    assert choose_text_columns(["title", "text"], None, "r", preferred=trained) == ("title", "text")


def test_messages_stay_short_however_many_columns_there_are() -> None:
    columns = ["\U000e0001" * 50 + str(number) for number in range(5000)]
    for choose in (choose_text_columns, choose_label_column):
        with pytest.raises(DataError) as raised:
            choose(columns, None, "r")
        assert len(f"{raised.value} {raised.value.hint}") < 1000


def test_title_and_content_become_one_text() -> None:
    row: dict[str, object] = {"title": " Great ", "content": "a book\n", "stars": 5, "none": None, "nan": float("nan")}
    assert build_text(row, ("title", "content"), "r") == "Great: a book"
    assert build_text(row, ("none", "nan", "absent", "content"), "r") == "a book"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, "5"), (4.5, "4.5"), (True, "True"), (Decimal("1.50"), "1.50"), (Decimal("NaN"), ""), (date(2024, 1, 31), "2024-01-31")],
)
def test_numbers_and_dates_are_text(value: object, expected: str) -> None:
    assert build_text({"content": value}, ("content",), "r") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(["a"], "holds list"), (b"a", "holds bytes"), ({}, "holds dict"), pytest.param(10**5000, "too long", id="digits")],
)
def test_what_is_no_text_is_refused(value: object, expected: str) -> None:
    with pytest.raises(DataError, match=r"r\.jsonl:3: column 'content' holds .*expected text") as raised:
        build_text({"content": value}, ("content",), "r.jsonl:3")
    assert expected in str(raised.value)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    text = build_text({"content": "good \ud83d product"}, ("content",), "r")
    assert text.encode() == "good \ufffd product".encode()
