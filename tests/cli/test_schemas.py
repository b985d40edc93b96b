"""The documents of `--json`: what each command really prints fits its schema, and the schemas refuse all else."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from polarity_cli.cache.contents import _DEPTHS
from polarity_cli.cli import cache, export, prepare, train
from polarity_cli.formats import results
from polarity_cli.schemas import list_schemas, read_schema
from polarity_cli.verbs import predict
from polarity_cli.verbs.evaluation import result
from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
Document = dict[str, Any]
Steps = tuple[str | int, ...]
FREE = {"blank", "files", "key", "labels", "neither", "predictions", "versions"}
"""Keys whose values hold names that are not ours."""
OPTIONAL = {"blank", "required"}
SPLITS = {"out of fold", "test", "train", "validation"}
EVALUATE_FULLY = ("--by", "label", "--errors", "e.csv", "--predictions", "p.csv", "--suspects", "s.csv", "--split", "all")


def list_problems(document: Document) -> list[str]:
    """Return what a document's schema finds wrong with it."""
    validator = Draft202012Validator(read_schema(document["schema"]))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def read_document(outcome: Outcome, *, code: int = 0) -> Document:
    """Return the document that a command printed, which fits its schema and begins with its name."""
    assert outcome.code == code, outcome.stderr
    document: Document = json.loads(outcome.stdout)
    assert next(iter(document)) == "schema"
    assert list_problems(document) == []
    return document


def list_objects(value: object, path: Steps = ()) -> Iterator[Steps]:
    """Yield the paths of the objects whose keys are ours; of a list's items the first stands for all."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if name not in FREE:
                yield from list_objects(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield from list_objects(value[0], (*path, 0))


def is_optional(path: Steps, name: str) -> bool:
    is_split = name in SPLITS and path[-1:] in (("splits",), ("metrics",))
    return is_split or (not path and name in OPTIONAL)


def get_object(document: Document, path: Steps) -> Document:
    """Return the object at a path."""
    inner: Any = document
    for step in path:
        inner = inner[step]
    found: Document = inner
    return found


def put(document: Document, path: Steps, name: str, value: object) -> Document:
    """Return a copy whose object at a path has another value under a name."""
    changed = copy.deepcopy(document)
    get_object(changed, path)[name] = value
    return changed


def drop(document: Document, path: Steps, name: str) -> Document:
    """Return a copy whose object at a path lacks a name."""
    changed = copy.deepcopy(document)
    del get_object(changed, path)[name]
    return changed


def list_wrong(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield a document with one key missing, added or mistyped, for every key of it, and in words what is wrong."""
    for path in list_objects(document):
        place = ".".join(map(str, path)) or "the document"
        yield f"{place} with a key more", put(document, path, "extra", 0)
        for name, value in get_object(document, path).items():
            yield f"{place} with another {name}", put(document, path, name, 7 if isinstance(value, list) else [[7]])
            if not is_optional(path, name):
                yield f"{place} without {name}", drop(document, path, name)


def assert_exact(document: Document) -> None:
    """Assert that the schema of a document refuses it as soon as one key is missing, added or mistyped."""
    validator = Draft202012Validator(read_schema(document["schema"]))
    wrong = list(list_wrong(document))
    assert len(wrong) > len(document) * 2
    assert [what for what, changed in wrong if validator.is_valid(changed)] == []


# The schemas themselves


@pytest.mark.parametrize("name", list_schemas())
def test_schema_is_a_schema_and_is_called_what_its_file_is(name: str) -> None:
    schema = read_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == schema["properties"]["schema"]["const"] == name
    assert schema["title"].startswith("What `polarity ")


@pytest.mark.parametrize("name", list_schemas())
def test_every_property_is_described_and_every_definition_is_used(name: str) -> None:
    schema = read_schema(name)
    described, referred = list_described(schema), set[str]()
    assert [place for place, is_described in described.items() if not is_described] == []
    for text in json.dumps(schema).split('"$ref": "#/$defs/')[1:]:
        referred.add(text.split('"')[0])
    assert referred == set(schema.get("$defs", {}))


def list_described(schema: Any, place: str = "") -> dict[str, bool]:
    """Return whether each property of a schema, wherever in it, has a description; a level of our own names all its keys."""
    found: dict[str, bool] = {}
    if isinstance(schema, dict):
        properties = schema.get("properties", {}) if "type" in schema else {}
        found.update({f"{place}.{name}": bool(own.get("description")) for name, own in properties.items()})
        if properties:
            found[f"{place} is closed"] = schema["additionalProperties"] is False
            found[f"{place} requires what it has"] = set(schema["required"]) <= set(properties)
        for name, inner in schema.items():
            found |= list_described(inner, f"{place}/{name}")
    elif isinstance(schema, list):
        for inner in schema:
            found |= list_described(inner, place)
    return found


def test_every_command_names_a_schema_and_every_schema_has_a_command() -> None:
    named = (
        cache.LIST_SCHEMA,
        cache.PRUNE_SCHEMA,
        export.SCHEMA,
        prepare.SCHEMA,
        train.SCHEMA,
        train.PLAN_SCHEMA,
        result.SCHEMA,
        results.SCHEMA,
        predict.FILES_SCHEMA,
    )
    assert sorted(named) == list(list_schemas())


def test_definitions_of_one_name_are_the_same_in_all_schemas() -> None:
    seen: Document = {}
    for name in list_schemas():
        for kind, definition in read_schema(name).get("$defs", {}).items():
            assert seen.setdefault(kind, definition) == definition, f"{kind} in {name}"
    assert {"metrics", "check", "entry", "left_out"} <= set(seen)


def test_schema_of_the_cache_knows_every_kind_of_entry() -> None:
    kinds = read_schema("polarity/cache-list/1")["$defs"]["entry"]["properties"]["kind"]["enum"]
    assert kinds == sorted(_DEPTHS)


@pytest.mark.parametrize("name", ["evaluate", "polarity/evaluate/2", "polarity/../secrets/1", ""])
def test_unknown_schema_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="choose one of polarity/cache-list/1, "):
        read_schema(name)


@pytest.mark.slow
def test_wheel_holds_the_schemas(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--retries", "0", "-w", str(tmp_path), str(REPOSITORY)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if "hatchling" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("polarity_cli-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("polarity_cli/schemas/")}
    files = {f"polarity_cli/schemas/{path.name}" for path in (REPOSITORY / "polarity_cli" / "schemas").glob("*.json")}
    assert files <= held
    assert len(files) == len(list_schemas()) == 9


# Export


def test_export_fits_its_schema_exactly(polarity: Polarity, tiny_checkpoint: Path) -> None:
    assert_exact(read_document(polarity("export", tiny_checkpoint, "--out", "exported", "--json")))


# Evaluate


def test_evaluation_of_everything_fits_its_schema_exactly(polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path) -> None:
    more = (*EVALUATE_FULLY, "--precision", "weights", "--against", tiny_checkpoint)
    document = read_document(polarity("evaluate", tiny_checkpoint, reviews_csv, *more, "--json"))
    assert document["served"]["precision"] in ("fp32", "int8")
    assert document["against"]["both_right"] + document["against"]["both_wrong"] == document["metrics"]["n"] == 60
    assert {part["group"] for part in document["slices"]} >= {"label", "length"}
    assert (document["errors"], document["predictions"], document["suspects"]) == ("e.csv", "p.csv", "s.csv")
    assert document["n_suspects"] is not None
    assert_exact(document)


def test_evaluation_of_the_run_s_own_reviews_fits_its_schema(polarity: Polarity, tiny_checkpoint: Path) -> None:
    document = read_document(polarity("evaluate", tiny_checkpoint, "--precision", "fp32", "--json"))
    assert (document["split"], document["precision"], document["against"]) == ("test", "fp32", None)


@pytest.mark.parametrize(
    "rows",
    [make_reviews(60)[1::2], make_reviews(60)[::2], make_reviews(1), make_reviews(2)],
    ids=["all positive", "all negative", "one review", "two reviews"],
)
def test_evaluation_of_few_or_one_class_fits_its_schema(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, rows: list[tuple[str, str, str]]
) -> None:
    write_csv(tmp_path / "r.csv", rows)
    more = (*EVALUATE_FULLY, "--against", tiny_checkpoint)
    document = read_document(polarity("evaluate", tiny_checkpoint, "r.csv", *more, "--json"))
    assert document["metrics"]["n"] == len(rows)
    if len(rows) != 2:
        assert document["metrics"]["roc_auc"] is None


# Train


def test_training_run_fits_its_schema_exactly(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    document = read_document(polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--export", "--json"))
    assert document["onnx"]["fp32"]["equal_labels"] == 1.0
    assert set(document["metrics"]) == {"validation", "test"}
    assert {"temperature", "reason"} & set(document["calibration"])
    assert document["graphs"]["default"] in ("fp32", "int8")
    assert document["baselines"]
    assert_exact(document)


@pytest.mark.parametrize(
    ("more", "scored"),
    [
        (("--validation", 0, "--test", 0), set()),
        (("--validation", 0, "--test", 0, "--folds", 3), {"out of fold"}),
        (("--validation", 0.5, "--test", 0, "--target-precision", 0.5, "--class-weights", "balanced"), {"validation"}),
    ],
    ids=["nothing scored", "folds", "threshold"],
)
def test_training_run_that_scores_other_reviews_fits_its_schema(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, more: tuple[object, ...], scored: set[str]
) -> None:
    args = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--no-graphs", "--json", *more)
    document = read_document(polarity(*args))
    assert set(document["metrics"]) == scored
    assert ("judged_by" in document) is bool(scored)
    assert (document["folds"] is not None) is ("--folds" in more)
    assert (document["threshold"] is not None) is ("--target-precision" in more)
    if not scored:  # what is said of scores is there whole, or not at all
        assert list_problems({**document, "checks": []})
        assert list_problems({**document, "required": {"asked": 0.5, "met": True}})
    if "--folds" in more:
        assert document["folds"]["n"] == 3
        evaluated = read_document(polarity("evaluate", "ckpt", "--json"))
        assert (evaluated["split"], evaluated["rows_per_second"]) == ("out of fold", None)


def test_calibrated_run_fits_its_schema_exactly(polarity: Polarity, tiny_encoder: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "many.csv", make_reviews(440))
    args = ("train", source, "--encoder", tiny_encoder, "--validation", 0.5, "--test", 0, "--learning-rate", 3e-3, "--no-graphs")
    document = read_document(polarity(*args, "--epochs", 6, "--target-precision", 0.6, "--of", "negative", "--json"))
    assert document["calibration"]["fitted_on"] == "validation"
    assert document["threshold"]["of"] == "negative"
    assert_exact(document)


def test_refused_run_still_prints_a_document(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    args = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs", "--require", "baseline", "--json")
    document = read_document(polarity(*args), code=1)
    assert (document["published"], document["required"]) == (False, {"asked": "baseline", "met": False})
    assert not list_problems({**document, "required": {"asked": 0.999, "met": False}})
    assert list_problems({**document, "required": {"asked": "best", "met": False}})
    assert not (tmp_path / "ckpt").exists()


def test_plan_fits_its_schema_exactly(polarity: Polarity, tiny_encoder: Path) -> None:
    for unfreeze in (0, 2, "all"):
        args = ("train", "--plan", "--encoder", tiny_encoder, "--unfreeze", unfreeze, "--json")
        assert_exact(read_document(polarity(*args)))


# Prepare and the cache


def test_prepared_reviews_and_the_cache_fit_their_schemas_exactly(
    polarity: Polarity, tiny_encoder: Path, tmp_path: Path, cache_dir: Path
) -> None:
    assert read_document(polarity("cache", "list", "--json"))["entries"] == []
    rows = [*make_reviews(40), ("neutral", "so", "so"), ("positive", "", "fine"), ("", "none", "none"), ("negative", "", "")]
    args = ("prepare", write_csv(tmp_path / "r.csv", rows), "--encoder", tiny_encoder, "--json")
    document = read_document(polarity(*args))
    assert document["left_out"] == {"no_text": 1, "no_label": 1, "broken": 0, "neither": {"neutral": 1}}
    assert document["from_cache"] is False
    assert read_document(polarity(*args))["from_cache"] is True
    assert_exact(document)
    listed = read_document(polarity("cache", "list", "--json"))
    assert [entry["kind"] for entry in listed["entries"]] == ["data"]
    assert_exact(listed)
    for more in (("--dry-run",), ()):
        pruned = read_document(polarity("cache", "prune", "--max-size", 0, "--json", *more))
        assert (pruned["freed"], pruned["size"], len(pruned["entries"])) == (listed["size"], 0, 1)
        assert_exact(pruned)


def test_what_prune_keeps_fits_its_schema(polarity: Polarity, cache_dir: Path) -> None:
    folder = cache_dir / "checkpoints" / "20260101T000000-abcdef"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(9))
    pruned = read_document(polarity("cache", "prune", "--max-size", 0, "--json"))
    assert (pruned["freed"], pruned["size"], [entry["kind"] for entry in pruned["kept"]]) == (0, 9, ["checkpoints"])
    assert_exact(pruned)


# Predict


@pytest.mark.parametrize(
    "args",
    [
        ("great", "awful, broken"),
        ("great", " ", "--explain", "--min-confidence", 0.999, "--threshold", 0.3),
        ("--input", "reviews.csv"),
        ("--input", "reviews.csv", "--input", "reviews.csv", "--prefix", "my_", "--explain"),
        ("--input", "broken.jsonl", "--on-error", "keep"),
        ("--input", "broken.jsonl", "--on-error", "skip"),
        ("--input", "empty.txt"),
        ("--input", "reviews.csv", "--shard", "1/1", "--rank", "negative", "--limit", 1000),
    ],
    ids=["texts", "options", "table", "prefix", "kept", "skipped", "nothing", "ranked"],
)
def test_predictions_fit_their_schema(
    polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path, args: tuple[object, ...]
) -> None:
    (tmp_path / "broken.jsonl").write_text('{"title": "good", "content": "great"}\n{"title\n{"title": 1, "content": null}\n')
    (tmp_path / "empty.txt").write_text("")
    document = read_document(polarity("predict", "--checkpoint", tiny_checkpoint, *args, "--json"))
    assert document["n_records"] == len(document["predictions"])
    assert (document["left_out"]["broken"] > 0) is ("broken.jsonl" in args)
    assert_exact(document)


def test_prediction_without_an_answer_is_refused(polarity: Polarity, tiny_checkpoint: Path) -> None:
    document = read_document(polarity("predict", "--checkpoint", tiny_checkpoint, "great", "--json"))
    for name in ("label", "score"):
        assert list_problems(drop(document, ("predictions", 0), name))
    assert list_problems({**document, "predictions": ["positive"]})
    assert not list_problems({**document, "predictions": [{"stars": 5, "my_label": "positive", "my_score": 0.9}]})
