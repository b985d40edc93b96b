"""Tables in, the same kind of table out with two columns more; the text is found as the commands find it."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from polarity_cli import Predictor
from polarity_cli.errors import DataError

GOOD, BAD = "superb great best", "awful boring worst"


@pytest.fixture
def predictor(tiny_checkpoint: Path, cache_dir: Path) -> Predictor:
    return Predictor(tiny_checkpoint, threads=1)


def make_columns() -> dict[str, pa.Array]:
    texts = [GOOD, BAD, None, ""]
    return {
        "string": pa.array(texts),
        "large": pa.array(texts, pa.large_string()),
        "view": pa.array(texts, pa.string_view()),
        "dictionary": pa.array(texts).dictionary_encode(),
        "sliced": pa.array(["x", *texts, "y"]).slice(1, 4),
    }


@pytest.mark.parametrize("kind", list(make_columns()))
@pytest.mark.parametrize("make", [pa.table, pa.record_batch], ids=["table", "batch"])
def test_arrow_texts_of_every_type_are_read(predictor: Predictor, make: Any, kind: str) -> None:
    data = make({"number": [1, 2, 3, 4], "text": make_columns()[kind]})
    found = predictor(data)
    assert type(found) is type(data)
    assert found.schema.names == ["number", "text", "label", "score"]
    assert found.column("label").to_pylist() == ["positive", "negative", "", ""]
    assert [score is None for score in found.column("score").to_pylist()] == [False, False, True, True]
    assert found.select(["number", "text"]) == data


def test_chunks_metadata_and_missing_columns_stay(predictor: Predictor) -> None:
    table = pa.table({"text": pa.chunked_array([[GOOD], [], [BAD, None]]), "empty": pa.nulls(3)}).replace_schema_metadata(
        {"a": "b"}
    )
    found = predictor(table)
    assert found["label"].to_pylist() == ["positive", "negative", ""]
    assert found.schema.metadata == {b"a": b"b"}
    assert found.schema.field("empty").type == pa.null()
    assert predictor(pa.table({"text": pa.nulls(2)}))["label"].to_pylist() == ["", ""]


@pytest.mark.parametrize(
    "data",
    [pa.table({"x": pa.array([], pa.int64())}), pa.table({}), pa.table({"text": pa.array([], pa.string())}).schema.empty_table()],
    ids=["numbers", "nothing", "text"],
)
def test_table_without_rows_gets_its_columns(predictor: Predictor, data: Any) -> None:
    found = predictor(data)
    assert found.num_rows == 0
    assert found.schema.field("label").type == pa.string()
    assert found.schema.field("score").type == pa.float64()
    assert predictor({"text": []}) == {"text": [], "label": [], "score": []}


def test_dicts_of_lists_and_of_arrays_keep_their_kind(predictor: Predictor) -> None:
    lists = predictor({"text": [GOOD, None], "n": [1, 2]})
    assert (lists["label"], lists["score"][1], lists["n"]) == (["positive", ""], None, [1, 2])
    arrays = predictor({"text": np.array([GOOD, ""], dtype=object), "image": np.zeros((2, 3, 3))})
    assert arrays["label"].tolist() == ["positive", ""]
    assert np.isnan(arrays["score"]).tolist() == [False, True]
    assert arrays["image"].shape == (2, 3, 3)
    with pytest.raises(ValueError, match="different lengths"):
        predictor({"text": [GOOD], "n": [1, 2]})


def test_datasets_maps_it(predictor: Predictor) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": [GOOD, BAD, ""]})
    assert data.map(predictor, batched=True, batch_size=2)["label"][:] == ["positive", "negative", ""]
    assert [found.label for found in predictor(data["text"])] == ["positive", "negative", ""]
    with pytest.raises(TypeError, match="batched=True"):
        predictor(data)


def test_frames_of_pandas_keep_index_and_types(predictor: Predictor) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"title": ["Great", None], "content": ["love", float("nan")], "n": [1, 2]}, index=["a", "b"])
    found = predictor(frame)
    assert found.index.tolist() == ["a", "b"]
    assert found["label"].tolist() == ["positive", ""]
    assert np.isnan(found["score"].tolist()[1])
    assert found["n"].dtype == frame["n"].dtype
    assert list(frame) == ["title", "content", "n"]


def test_frames_and_series_of_polars_are_read(predictor: Predictor) -> None:
    pl = pytest.importorskip("polars")
    found = predictor(pl.DataFrame({"text": [GOOD, None]}))
    assert found["label"].to_list() == ["positive", ""]
    assert found["score"].null_count() == 1
    assert [answer.label for answer in predictor(pl.Series([GOOD, None]))] == ["positive", ""]


def test_added_columns_never_replace_others(predictor: Predictor) -> None:
    found = predictor({"label": [1], "text": [GOOD], "predicted_score": [0.5]})
    assert found["label"] == [1]
    assert found["predicted_score"] == [0.5]
    assert found["predicted_predicted_label"] == ["positive"]


def test_title_and_content_are_joined_and_said(predictor: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="polarity_cli")
    found = predictor({"Content": [BAD, "love"], "Title": ["x", "Great"]})
    assert "The text is Title and Content." in caplog.messages
    expected = predictor([f"x: {BAD}", "Great: love"])
    assert found["score"] == [round(answer.score or 0, 6) for answer in expected]


def test_columns_chosen_by_their_values_are_warned_of_and_kept(predictor: Predictor) -> None:
    with pytest.warns(UserWarning, match=r"by its values.*text=\['spoken'\]"):
        predictor({"spoken": [GOOD * 3, BAD * 3], "number": [1, 2]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predictor({"spoken": ["", BAD], "number": [1, 2]})["label"] == ["", "negative"]


def test_columns_named_are_taken_or_missed(tiny_checkpoint: Path, cache_dir: Path) -> None:
    data = {"text": [GOOD], "other": [BAD]}
    for option in ("other", ["other"], ("OTHER",)):
        assert Predictor(tiny_checkpoint, text=option)(data)["label"] == ["negative"]
    with pytest.raises(DataError, match="no column 'title,content'"):
        Predictor(tiny_checkpoint, text="title,content")(data)


def test_values_that_are_no_text_are_refused_with_their_row(predictor: Predictor) -> None:
    with pytest.raises(DataError, match=r"row 2: column .*text.* holds bytes"):
        predictor({"text": [GOOD, b"bytes"]})
    with pytest.raises(DataError, match="names a column twice"):
        predictor(pa.table([pa.array([GOOD]), pa.array([BAD])], names=["text", "text"]))
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")])
    with pytest.raises(DataError, match="not UTF-8"):
        predictor(pa.table({"text": broken}))


def test_numbers_and_dates_are_text_as_for_the_commands(tiny_checkpoint: Path, cache_dir: Path) -> None:
    day = np.array(["2024-01-02"], dtype="datetime64[ns]")
    found = Predictor(tiny_checkpoint, text="day")({"day": day})
    assert found["score"] == [round(Predictor(tiny_checkpoint)("2024-01-02 00:00:00").score or 0, 6)]
