"""Files as people have them: how each is read, by value. Each that was once read wrong has its line here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.config import Context, DataConfig, ReadOptions
from polarity_cli.data.reviews import LabelledReviews, has_labels, read_reviews
from polarity_cli.data.sources import find_source
from polarity_cli.errors import DataError, PolarityError
from polarity_cli.records import SilentObserver
from tests.conftest import AMAZON
from tests.helpers.commands import Outcome
from tests.helpers.streams import Notes, read_pipe

Polarity = Callable[..., Outcome]
MARK, STARS = "\ufeff", "\u2605"


def read(path: Path | str, observer: SilentObserver | None = None, **config: Any) -> LabelledReviews:
    source = find_source(str(path), rows=None, context=Context(cache_dir=Path("nowhere")))
    return read_reviews(source, DataConfig(rows="all", **config), observer or SilentObserver())


def list_pairs(reviews: LabelledReviews, split: str = "train") -> list[tuple[str, int]]:
    return [(review.text, review.label) for review in reviews.splits[split]]


def repeat(*rows: str, n: int = 4) -> str:
    return "".join(row.format(i) for i in range(n) for row in rows)


GOOD_BAD = [("fine one", 1), ("poor one", 0)]
READ: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "labeledTrainData.tsv": (
        'id\tsentiment\treview\n"1"\t1\t"it is \\"fine\\" ok"\n"2"\t0\t"poor words"\n',
        [('it is "fine" ok', 1), ("poor words", 0)],
    ),
    "mcauley.json": (
        '{"overall": 5.0, "summary": "Fine", "reviewText": "one"}\n{"reviewText": "poor one", "overall": 1.0}\n'
        '{"overall": 3.0, "reviewText": "so"}\n',
        [("Fine: one", 1), ("poor one", 0)],
    ),
    "us_reviews.tsv": (
        'star_rating\treview_headline\treview_body\n5\tFine\t12" of fun\n1\t"Poor\tone\n5\tGood\t"quoted" start\n',
        [('Fine: 12" of fun', 1), ('"Poor: one', 0), ('Good: "quoted" start', 1)],
    ),
    "sentiment140.csv": (
        '"0","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","al","what a poor day it was"\n'
        '"4","2","Mon Apr 06 22:19:49 PDT 2009","NO_QUERY","bo","such a fine day it is, really"\n'
        '"0","3","Mon Apr 06 22:19:53 PDT 2009","NO_QUERY","cy","I lost all of it again"\n',
        [("what a poor day it was", 0), ("such a fine day it is, really", 1), ("I lost all of it again", 0)],
    ),
    "clothing.csv": (
        ",Clothing ID,Title,Review Text,Rating\n0,7,,fine one,5\n1,8,Poor,one,2\n2,9,,,4\n",
        [("fine one", 1), ("Poor: one", 0)],
    ),
    "datafiniti.csv": (
        "reviews.rating,reviews.text,reviews.title\n5,one,Fine\n1,one,Poor\n",
        [("Fine: one", 1), ("Poor: one", 0)],
    ),
    "rotten.csv": ("Freshness,Review\n1,fine one\n0,poor one\n", GOOD_BAD),
    "stars.csv": (f"text,stars\nfine one,{STARS * 5}\npoor one,{STARS}\nso,{STARS * 3}\n", GOOD_BAD),
    "of5.csv": ("text,rating\nfine one,5.0 out of 5 stars\npoor one,Rated 1 out of 5 stars\nso,3 stars\n", GOOD_BAD),
    "neutral.csv": ("text,airline_sentiment\nfine one,positive\npoor one,negative\nso,neutral\n", GOOD_BAD),
    "excel.csv": (f"{MARK}sep=;\r\nText;Label\r\nfine one;1\r\npoor one;0\r\n", GOOD_BAD),
    "quotes.csv": ('text,label\n"fine one",1\n"poor one",0\n', GOOD_BAD),
    "spark.csv": ('label,text\n1,"a \\"fine\\" one, ok"\n0,poor\n', [('a "fine" one, ok', 1), ("poor", 0)]),
    "mysql.csv": ('"1","a ""fine"" one"\n"0","a poor one here"\n', [('a "fine" one', 1), ("a poor one here", 0)]),
    "rnames.csv": ('"text","label"\n"1","fine one",1\n"2","poor one",0\n', GOOD_BAD),
    "trailing.csv": ("text,label,,\nfine one,1\npoor one,0,,\n", GOOD_BAD),
    "short-words.csv": (
        "Good,positive\nBad one,negative\nFine,positive\nUgh,negative\n",
        [("Good", 1), ("Bad one", 0), ("Fine", 1), ("Ugh", 0)],
    ),
    "full.csv": ('"3","so","so"\n"5","Fine","one\\ntwo"\n"1","Poor","one"\n', [("Fine: one\ntwo", 1), ("Poor: one", 0)]),
    "yelp.csv": ('"1","poor\\none"\n"2","fine one"\n', [("poor\none", 0), ("fine one", 1)]),
    "cells.txt": ("fine one\t1\npoor one\t0\nno label here\t\n" + repeat("fine {}\t1\n", "poor {}\t0\n"), GOOD_BAD),
    "stars.txt": (repeat("fine one {}\t5 stars\n", "poor one {}\t1 star\n"), [("fine one 0", 1), ("poor one 0", 0)]),
    "fast.txt": ("__label__positive fine one\n\n__label__negative poor one\n", GOOD_BAD),
    "verdicts.jsonl": ('{"comment": "fine one", "verdict": true}\n{"comment": "poor one", "verdict": false}\n', GOOD_BAD),
    "wrapped.json": ('{"data": {"items": [{"text": "fine one", "label": 1}, {"text": "poor one", "label": 0}]}}', GOOD_BAD),
    "pretty.json": ('[\n {"text": "fine one",\n  "label": 1},\n {"text": "poor one", "label": 0}\n]\n', GOOD_BAD),
    "minus.csv": ("text,polarity\nfine one,1\npoor one,-1\nso,0\n", GOOD_BAD),
    "four.csv": ("text,target\nfine one,4\npoor one,0\n", GOOD_BAD),
}
REFUSED: dict[str, tuple[str, str]] = {
    "only-1-2.csv": ("text,stars\nfine,2\npoor,1\n", "--positive 2"),
    "ordinal.csv": ("text,label\na,0\nb,1\nc,2\n", "--positive 2 --negative 0"),
    "both.csv": ("text,rating,feedback\na b,5,1\nc d,1,0\n", "--label rating or --label feedback"),
    "two-texts.csv": ("text,content,label\na,b,1\nc,d,0\n", "several columns could be the text"),
    "answers.csv": (
        "text,label\nso gut,ja\nso schlecht,nein\n",
        "--positive ja --negative nein, or --positive nein --negative ja",
    ),
    "plain.txt": ("fine one\npoor one\n", "a line of text without a label"),
    "page.csv": ("<!DOCTYPE html>\n<html>\n", "a web page"),
    "objects.csv": ('{"text": "fine", "label": 1}\n{"text": "poor", "label": 0}\n', "JSON by its first line"),
    "array.jsonl": ('[{"text": "fine", "label": 1}]\n', "a file called .json"),
    "python.jsonl": ("{'text': 'fine', 'label': 1}\n", "a Python dictionary"),
    "strings.json": ('["fine", "poor"]', "expected a JSON object"),
    "scale.csv": ("text,score\n" + repeat("a,{}\n", n=11), "--positive"),
}


@pytest.mark.parametrize("name", READ)
def test_file_is_read_with_its_texts_and_labels(tmp_path: Path, name: str) -> None:
    content, expected = READ[name]
    (tmp_path / name).write_text(content, newline="")
    assert list_pairs(read(tmp_path / name))[: len(expected)] == expected


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_with_what_to_type(tmp_path: Path, name: str) -> None:
    content, expected = REFUSED[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(PolarityError) as raised:
        read(tmp_path / name)
    assert expected in f"{raised.value} {raised.value.hint}"


def test_title_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    rows = [{"text": f"so {i}", "label": i % 2} for i in range(120)] + [{"title": "Late", "text": "one", "label": 1}]
    (tmp_path / "late.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert list_pairs(read(tmp_path / "late.jsonl"))[-1] == ("Late: one", 1)
    (tmp_path / "a.csv").write_text("text,label\npoor one,0\n")
    (tmp_path / "b.csv").write_text("title,text,label\nFine,one,1\n")
    for names in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        source = find_source([str(tmp_path / name) for name in names], rows=None, context=Context(cache_dir=tmp_path))
        found = read_reviews(source, DataConfig(rows="all"), SilentObserver())
        assert sorted(list_pairs(found)) == [("Fine: one", 1), ("poor one", 0)]
        assert found.text == ("title", "text")


def write_all(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


TRAIN, TEST = "text,label\nfine one,1\npoor one,0\n", "text,label\nfine two,1\n"


HIDDEN = "text,label\nhidden one,-1\nhidden two,-1\n"
GLUE = {
    "train.tsv": "sentence\tlabel\nfine\t1\npoor\t0\n",
    "dev.tsv": "sentence\tlabel\nso\t1\n",
    "test.tsv": "index\tsentence\n0\tx\n",
}
CLONE = {"data/train-00000-of-00001-0123456789abcdef.csv": TRAIN, "dataset_infos.json": "{}", "LICENSE.txt": "MIT"}
IMDB = {f"{split}/{name}/1.txt": f"{name} {split}" for split in ("train", "test") for name in ("neg", "pos", "unsup")}
NAMES = {"train.csv": TRAIN, "test.csv": TEST, "train_old.csv": TRAIN, "tests.csv": TEST}
FOLDERS: dict[str, tuple[dict[str, str], dict[str, int], str]] = {
    "names": (NAMES, {"train": 2, "test": 1}, "train_old.csv"),
    "shards": ({"train-00000-of-00002.csv": TRAIN, "train-00001-of-00002.csv": TEST}, {"train": 3}, ""),
    "hub-clone": (CLONE, {"train": 2}, ""),
    "folders": ({"train/part-0.csv": TRAIN, "train/_SUCCESS": "", "test/part-0.csv": TEST}, {"train": 2, "test": 1}, ""),
    "spark": ({"train.csv/part-00000-uuid.csv": TRAIN, "test.csv/part-00000-uuid.csv": TEST}, {"train": 2, "test": 1}, ""),
    "classes": ({"neg/1.txt": "poor one", "pos/1.txt": "fine\none"}, {"train": 2}, ""),
    "imdb": (IMDB, {"train": 2, "test": 2}, "unsup"),
    "class-files": ({"rt.neg": "poor one\nbad\n", "rt.pos": "fine one\n"}, {"train": 3}, "a text a line"),
    "glue": (GLUE, {"train": 2, "validation": 1}, "test.tsv: passed over"),
    "hidden": ({"train.csv": TRAIN, "test.csv": HIDDEN}, {"train": 2}, "test split has no labels"),
    "single": ({"only.csv": TRAIN}, {"train": 2}, ""),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_is_read_by_its_names(tmp_path: Path, name: str) -> None:
    files, splits, note = FOLDERS[name]
    write_all(tmp_path / "d", files)
    reviews = read(tmp_path / "d")
    assert {name: len(members) for name, members in reviews.splits.items()} == splits
    assert note in " ".join(reviews.notes)


def test_folder_that_is_not_understood_names_the_files_that_are_there(tmp_path: Path) -> None:
    write_all(tmp_path / "uci", {"amazon.txt": "a\t1\n", "yelp.txt": "b\t0\n"})
    with pytest.raises(DataError) as raised:
        read(tmp_path / "uci")
    assert f"{tmp_path / 'uci'}/*.txt" in str(raised.value.hint)


def test_glob_and_several_files_are_one_source(tmp_path: Path) -> None:
    write_all(tmp_path, {"s/1.csv": TRAIN, "s/2.csv": TEST, "train.csv": TRAIN, "test.csv": TEST})
    assert len(list_pairs(read(f"{tmp_path}/s/*.csv"))) == 3
    source = find_source([f"{tmp_path}/train.csv", f"{tmp_path}/test.csv"], rows=None, context=Context(cache_dir=tmp_path))
    assert {split: [path.name for path in paths] for split, paths in source.files.items()} == {
        "train": ["train.csv"],
        "test": ["test.csv"],
    }
    with pytest.raises(PolarityError, match="no file matches"):
        read(f"{tmp_path}/s/*.tsv")


def test_broken_rows_and_blank_labels_are_left_out_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("text,label\nfine one,1\npoor one,0\nno label,\n,1\n1,2,3\n" + "broken\n" * 12)
    with pytest.raises(DataError, match=r"r\.csv:6: 3 fields, expected 2") as raised:
        read(path)
    assert "--on-error skip" in str(raised.value.hint)
    observer = Notes()
    reviews = read(path, observer, on_error="skip")
    assert list_pairs(reviews) == GOOD_BAD
    assert reviews.left_out == {"no_text": 1, "no_label": 1, "broken": 13, "neither": {}}
    assert len(observer.notes) == 10
    notes = " ".join(reviews.notes)
    assert "Left out 1 row without text" in notes
    assert "r.csv:5" in notes
    assert "Left out 13 broken rows" in notes


def test_options_name_columns_and_dialect(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes("1~caf\u00e9 fine\n0~poor\n".encode("cp1252"))
    options = ReadOptions(delimiter="~", header=False, encoding="cp1252")
    reviews = read(path, read=options, text=("column_2",), label="column_1")
    assert list_pairs(reviews) == [("caf\u00e9 fine", 1), ("poor", 0)]
    with pytest.raises(PolarityError, match="--encoding nonsense: no such encoding"):
        read(path, read=ReadOptions(encoding="nonsense"))
    with pytest.raises(PolarityError, match=r"--sheet S: .* is no workbook"):
        read(path, read=ReadOptions(sheet="S"))


def test_hidden_labels_are_none(tmp_path: Path) -> None:
    write_all(tmp_path, {"a.csv": TRAIN, "b.csv": "text,label\nx,-1\n", "c.csv": "index,sentence\n0,x y z\n"})
    assert [has_labels(tmp_path / name, DataConfig()) for name in ("a.csv", "b.csv", "c.csv")] == [True, False, False]


def test_pipe_of_unlike_objects_is_read_by_what_each_has() -> None:
    rows = [{"text": "one"}, {"id": 1}, {"title": "T", "text": "two"}, {"text": None}]
    reading = read_pipe("\n".join(map(json.dumps, rows)).encode(), "jsonl", preferred=None)
    assert [record.text for record in reading.records] == ["one", "", "T: two", ""]


@pytest.mark.parametrize(
    ("name", "config", "n_rows", "n_positive"),
    [
        ("Restaurant_Reviews.tsv", {}, 1000, 500),
        ("amazon_cells_labelled.txt", {}, 600, None),
        ("amazon_alexa.tsv", {"label": "rating"}, 758, None),
        ("amazon_alexa.tsv", {"label": "feedback"}, 792, None),
        ("SST-2", {}, 1000, None),
        ("rt-polarity", {"read": ReadOptions(encoding="cp1252")}, 800, 400),
    ],
)
def test_public_file_is_read_whole(name: str, config: dict[str, Any], n_rows: int, n_positive: int | None) -> None:
    path = AMAZON / "wild" / name
    if not path.exists():
        pytest.skip(f"the public files are not there ({AMAZON.name}/wild beside the repository)")
    reviews = [review for members in read(path, **config).splits.values() for review in members]
    assert len(reviews) == n_rows
    assert n_positive in (None, sum(review.label for review in reviews))
