"""What of a checkpoint may leave the machine: its own files, and no path, no file's name and no review."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.published import make_public_manifest, seal, select_files
from polarity_cli.checkpoint.published_card import find_license, make_public_card, read_metadata
from polarity_cli.errors import CheckpointError, UsageError


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, which was trained on a file."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "ckpt"))


def change(folder: Path, part: str, **values: object) -> Checkpoint:
    """Change a part of a checkpoint's manifest, and open it."""
    manifest = json.loads((folder / "polarity.json").read_text())
    manifest[part] = {**manifest[part], **values} if isinstance(manifest.get(part), dict) else values["value"]
    (folder / "polarity.json").write_text(json.dumps(manifest))
    return Checkpoint.open(folder)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/some body/secret files/reviews.csv", "reviews.csv"),
        ("../secret/reviews.csv", "reviews.csv"),
        ("~/secret/", "secret"),
        ("secret/*.csv", "*.csv"),
        ("/", "reviews"),
        ("reviews.csv", "reviews.csv"),
    ],
)
def test_paths_are_cut_wherever_they_stand(folder: Path, source: str, shown: str) -> None:
    checks = [
        {"name": "x", "message": f"the test split of {source} and /home/me/x/y.csv, see https://a.b/c/d", "advice": "", "n": 1}
    ]
    change(folder, "checks", value=checks)
    more = [source, "/home/me/other.csv"]
    public = make_public_manifest(change(folder, "data", source=source, more_sources=more), {"license": "mit"})
    assert (public["data"]["source"], public["data"]["more_sources"]) == (shown, [shown, "other.csv"])
    if source.count("/") > 1 or source.startswith(("..", "~")):
        assert source not in json.dumps(public)
    assert "/home/me" not in json.dumps(public)
    assert "https://a.b/c/d" in public["checks"][0]["message"]
    assert public["data"]["files"] == {}
    assert public["license"] == "mit"


def test_values_of_the_reviews_are_kept_to_the_letter(folder: Path) -> None:
    rule = {"column": "/a/b/c", "positive": ["/x/y/z"], "negative": ["/x/y/n"], "left_out": [], "is_asked": True}
    public = make_public_manifest(change(folder, "data", rule=rule, label="/a/b/c", text=["/t/u/v"]), {})
    assert (public["data"]["rule"], public["data"]["label"], public["data"]["text"]) == (rule, "/a/b/c", ["/t/u/v"])


@pytest.mark.parametrize(
    ("data", "is_public"),
    [
        ({"source": "sample"}, True),
        ({"source": "sample", "more_sources": ["mine.csv"]}, False),
        ({"source": "fancyzhx/amazon_polarity", "revision": "0" * 40}, True),
        ({"source": "fancyzhx/amazon_polarity", "revision": None}, False),  # a folder of that name
        ({"source": "reviews.csv"}, False),
    ],
)
def test_hashes_of_reviews_go_only_where_anybody_may_have_the_reviews(
    folder: Path, data: dict[str, Any], is_public: bool
) -> None:
    checkpoint = change(folder, "data", **data)
    selection = select_files(checkpoint)
    assert ("training_texts.u64" in selection.files) is is_public
    assert (selection.withheld == ()) is is_public
    assert bool(make_public_manifest(checkpoint, {})["data"]["files"]) is is_public


def test_sealed_manifest_is_that_of_the_files_beside_it(folder: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    selection = select_files(checkpoint)
    manifest = make_public_manifest(checkpoint, {"license": "mit", "withheld": list(selection.withheld)})
    card = make_public_card(None, manifest, license="mit", repo="me/x")
    there = tmp_path / "there"
    for name, content in {
        **selection.files,
        "README.md": card.content,
        "polarity.json": seal(manifest, selection.files, card_sha256=str(card.made)),
    }.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    again = select_files(Checkpoint.open(there))
    assert again.files.keys() == selection.files.keys()
    assert (again.withheld, again.strangers) == ((), ())
    assert b"training_texts" not in card.content


def test_file_that_names_the_users_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = folder / "history.jsonl"
    monkeypatch.setenv("HOME", "/home/somebody")
    history.write_text(history.read_text() + '{"from": "/home/somebody/x"}\n')
    manifest = json.loads((folder / "polarity.json").read_text())
    from polarity_cli.cache.hashes import hash_file

    (folder / "polarity.json").write_text(
        json.dumps({**manifest, "files": {**manifest["files"], history.name: hash_file(history)}})
    )
    with pytest.raises(CheckpointError, match=r"history\.jsonl: it names /home/somebody/, a folder of this machine"):
        select_files(Checkpoint.open(folder))


@pytest.mark.parametrize(
    ("asked", "own", "there", "found"),
    [
        ("mit", {"license": "apache-2.0"}, {}, "mit"),
        (None, {"license": "apache-2.0"}, {"license": "mit"}, "apache-2.0"),
        (None, {}, {"license": "mit"}, "mit"),
        (None, {"license": "other", "license_name": "ours"}, {}, "other"),
        ("other", {"license_name": "ours"}, {}, "other"),
    ],
)
def test_licence_asked_for_comes_first_then_the_card_then_the_repository(
    asked: str | None, own: dict[str, Any], there: dict[str, Any], found: str
) -> None:
    assert find_license(asked, own, there, "me/x") == found


@pytest.mark.parametrize(
    ("asked", "own", "phrase"),
    [
        (None, {}, "nothing says under which licence"),
        (None, {"license": "appache-2.0"}, "README.md: license appache-2.0: the Hub knows no licence"),
        (None, {"license": ["mit", "apache-2.0"]}, "expected one id"),
        (None, {"license": {"a": 1}}, "expected one id"),
        ("other", {}, "needs a name"),
        ("MIT", {}, "--license MIT: the Hub knows no licence by this id"),
    ],
)
def test_licence_that_says_nothing_is_refused(asked: str | None, own: dict[str, Any], phrase: str) -> None:
    with pytest.raises(UsageError, match=phrase):
        find_license(asked, own, {}, "me/x")


def test_edited_card_keeps_every_byte_but_its_licence() -> None:
    text = "---\r\ntags: [a]\r\nlicense: mit\r\n---\r\n# Mine\r\n\r\ntext \u00e9\r\n"
    assert make_public_card(text.encode(), None, license="mit", repo="me/x").content == text.encode()
    other = make_public_card(text.encode(), None, license="gpl-3.0", repo="me/x").content
    assert read_metadata(other, "x")["license"] == "gpl-3.0"
    assert other.decode().endswith("\r\n---\r\n# Mine\r\n\r\ntext \u00e9\r\n")
    plain = make_public_card(b"# No front\n", None, license="mit", repo="me/x").content
    assert read_metadata(plain, "x")["license"] == "mit"
    assert plain.endswith(b"# No front\n")


@pytest.mark.parametrize(
    "card", [b"---\n{: [\n---\n", b"\xff\xfe", b"---\n- a\n---\n", b"---\n!!python/object:os.system x\n---\n"]
)
def test_card_that_cannot_be_read_is_refused(card: bytes) -> None:
    with pytest.raises(CheckpointError, match="its front is no YAML of a card"):
        read_metadata(card, "README.md")


@pytest.mark.parametrize("part", ["freeze_plan", "metrics", "recipe", "versions", "encoder"])
def test_damaged_manifest_is_refused_in_words(folder: Path, part: str) -> None:
    manifest = json.loads((folder / "polarity.json").read_text())
    with pytest.raises(CheckpointError, match="no card can be made of it"):
        make_public_card(None, {**manifest, part: 7}, license="mit", repo="me/x")
