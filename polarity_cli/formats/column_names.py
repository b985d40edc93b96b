"""The names that public data sets give the columns of texts, titles and labels. Used by `data/columns` and `formats/dialect`."""

from __future__ import annotations


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TEXTS: tuple[frozenset[str], ...] = (
    _names("body content review sentence text"),
    _names("""
        bodytext cleancomment cleantext cleanedtext comment commentbody comments commenttext contenttext customerreview
        feedbacktext fulltext maintext message messagetext opinion originaltweet phrase post postbody posttext reviewbody
        reviewcomment reviewcomments reviewcontent reviewdescription reviewdetail reviewmessage reviews reviewsentence
        reviewstext reviewtext sentencetext sentences sentimenttext texta texts textbody textcontent textreview translatedreview
        tweet tweetcontent tweets tweettext userreview verifiedreview verifiedreviews
        """),
    _names("article data description document documents input narrative news passage remark remarks statement"),
)
"""Names of the text by tier, the best first."""
_TITLES: tuple[frozenset[str], ...] = (
    _names("reviewheadline reviewheading reviewsubject reviewsummary reviewtitle reviewstitle"),
    _names("head heading headline subject summary title"),
)
_LABELS: tuple[frozenset[str], ...] = (
    _names("class classlabel label labels polarity sentiment sentimentclass sentimentlabel sentiments target"),
    _names("""
        feedback freshness goldlabel liked overall overallrating polaritylabel rate rating ratings ratingstars reviewerrating
        reviewerscore reviewoverall reviewrating reviewscore reviewsrating reviewstar reviewstars score sentimentpolarity
        sentimentscore sentimentvalue star starrating stars userrating userscore
        """),
    _names("dorecommend isrecommended recommend recommendation recommended recommendedind usersuggestion votedup"),
)
_STARS = _names("""
    overall overallrating rate rating ratings ratingstars reviewerrating reviewerscore reviewoverall reviewrating reviewscore
    reviewsrating reviewstar reviewstars score star starrating stars userrating userscore
    """)


def normalise_name(name: str) -> str:
    """Return a column's name in lower case without punctuation and dotted prefix: `reviews.Review Text` is `reviewtext`."""
    last = _keep_letters(name.rpartition(".")[2])
    return last or _keep_letters(name)


def _keep_letters(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def text_rank(name: str) -> int | None:
    """Return how likely a column of this name is the text: 0 is most likely, None is not at all."""
    return _find_tier(_TEXTS, normalise_name(name))


def title_rank(name: str) -> int | None:
    """Return how likely a column of this name is a title: 0 is most likely, None is not at all."""
    return _find_tier(_TITLES, normalise_name(name))


def label_rank(name: str) -> int | None:
    """Return how likely a column of this name is the label: 0 is most likely, None is not at all."""
    normalised = normalise_name(name)
    return 0 if normalised.endswith("sentiment") else _find_tier(_LABELS, normalised)


def is_title(name: str) -> bool:
    """Return whether a column of this name is a review's title."""
    return title_rank(name) is not None


def is_star_name(name: str) -> bool:
    """Return whether a column's name says that it holds stars."""
    return normalise_name(name) in _STARS


def is_known_name(name: str) -> bool:
    """Return whether this is a usual name of a text, a title or a label."""
    return text_rank(name) is not None or is_title(name) or label_rank(name) is not None


def is_nameless(name: str) -> bool:
    """Return whether a column has no name of its own, such as the row numbers that pandas writes."""
    stripped = name.strip().casefold()
    return not stripped or stripped.startswith(("unnamed:", "unnamed_"))


def is_identifier(name: str) -> bool:
    """Return whether a column's name says that it identifies rows: `id`, `review_id`, `index`."""
    stripped = name.strip().rpartition(".")[2]
    is_id = stripped.endswith(("Id", "ID")) or stripped.casefold().endswith(("_id", " id", "-id"))
    return is_id or normalise_name(name) in ("id", "ids", "idx", "index", "no", "nr", "number", "row", "rowid", "uid")


def _find_tier(tiers: tuple[frozenset[str], ...], name: str) -> int | None:
    return next((tier for tier, names in enumerate(tiers) if name in names), None)
