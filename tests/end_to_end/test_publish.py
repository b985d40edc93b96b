"""`polarity export --push` against a Hub on the loopback address: what is sent, what is not, and what comes back from there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_schemas import assert_exact
from tests.helpers.commands import REPOSITORY, Outcome, hear_interrupts, run_polarity
from tests.helpers.foreign import ANSWERED, build
from tests.helpers.hub import Hub
from tests.helpers.hub_faults import EVER, Fault
from tests.helpers.hub_repository import Repository
from tests.helpers.hub_uploads import READER, TOKEN

REPO, MIT = "me/ours", ("--license", "mit")
WEIGHTS = "model.safetensors"
GRAPHS = ("polarity/fp32.onnx", "polarity/int8.onnx")

pytestmark = pytest.mark.slow


class Desk:
    """A folder with a checkpoint, and a Hub to publish it to."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.folder, self.ckpt = hub, folder, folder / "ckpt"
        self.environment = hub.environment(folder / "hf") | {"HF_TOKEN": TOKEN}

    def run(self, *args: object, code: int = 0, **environment: str) -> Outcome:
        """Run a command line, which must end with this code and without a traceback."""
        variables = self.environment | environment
        outcome = run_polarity(*args, cwd=self.folder, cache=self.folder / "cache", environment=variables)
        assert outcome.code == code, outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert "Warning" not in outcome.stderr
        return outcome

    def push(self, *args: object, code: int = 0) -> Outcome:
        """Publish the checkpoint."""
        return self.run("export", "ckpt", "--push", REPO, *args, code=code)

    def push_as_json(self, *args: object) -> dict[str, Any]:
        """Publish the checkpoint, and return what the command says of it."""
        document = json.loads(self.push(*args, "--json").stdout)
        assert_exact(document)
        published: dict[str, Any] = document["published"]
        return published

    @property
    def there(self) -> Repository:
        """The repository as it is."""
        return self.hub.models[REPO]

    def list_stored(self) -> list[str]:
        """Return the paths of the requests that sent something to the store, in order."""
        return [each.path for each in self.hub.requests if each.method == "PUT" and each.status == 200]


@pytest.fixture
def desk(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Desk]:
    """A copy of the tiny checkpoint, and an empty Hub."""
    shutil.copytree(tiny_checkpoint, tmp_path / "ckpt")
    with Hub({}, {}) as hub:
        yield Desk(hub, tmp_path)


def predict(desk: Desk, checkpoint: str, *args: object) -> Any:
    outcome = desk.run("predict", "a great book", "awful, boring", "--json", "--checkpoint", checkpoint, *args)
    return json.loads(outcome.stdout)["predictions"]


def test_checkpoint_comes_back_as_it_was_and_nothing_else_goes(desk: Desk) -> None:
    (desk.ckpt / ".env").write_text("SECRET=1")
    (desk.ckpt / "reviews.csv").write_text("text,label\nmine,1\n")
    before = {path: path.read_bytes() for path in desk.ckpt.rglob("*") if path.is_file()}
    outcome = desk.push(*MIT)
    assert f"{desk.hub.endpoint}/{REPO}" in outcome.stdout
    assert "Not of the checkpoint, and not published: .env, reviews.csv." in outcome.stderr
    assert "Not published: training_texts.u64, by which anybody could tell" in outcome.stderr
    own = {path.relative_to(desk.ckpt).as_posix() for path in before} - {".env", "reviews.csv", "training_texts.u64"}
    assert {*desk.there.files} == {*own, ".gitattributes"}
    assert {path: path.read_bytes() for path in desk.ckpt.rglob("*") if path.is_file()} == before  # the folder is left alone
    for precision in ("int8", "fp32"):
        assert predict(desk, REPO, "--precision", precision) == predict(desk, "ckpt", "--precision", precision)
    assert desk.hub.uploads.commits == ["Publish ours with polarity"]


def test_what_is_published_names_no_folder_of_this_machine_and_is_sealed(desk: Desk) -> None:
    told = (desk.ckpt / "polarity.json").read_bytes()
    assert b"/tiny-checkpoint" in told  # which the run was made from
    desk.push(*MIT)
    for name, content in desk.there.files.items():
        for part in (b"/pytest-of-", b"tiny-checkpoint", str(desk.folder).encode()):
            assert part not in content, name
    manifest = json.loads(desk.there.files["polarity.json"])
    assert (manifest["data"]["source"], manifest["encoder"]["name"], manifest["license"]) == ("reviews.csv", "tiny", "mit")
    assert manifest["data"]["rule"] == json.loads(told)["data"]["rule"]
    (desk.folder / "again").mkdir()
    for name, content in desk.there.files.items():
        (desk.folder / "again" / name).parent.mkdir(exist_ok=True)
        (desk.folder / "again" / name).write_bytes(content)
    assert desk.run("export", "again", "--push", REPO).stdout.count("nothing: the Hub has it all") == 1


def test_second_push_makes_no_commit_and_a_changed_card_is_all_that_goes(desk: Desk) -> None:
    first = desk.push_as_json(*MIT)
    assert (first["commit"], first["is_new_repository"]) == (desk.there.sha, True)
    n_stored = len(desk.list_stored())
    again = desk.push_as_json()
    assert (again["commit"], again["changed"], again["n_bytes"], again["license"]) == (first["commit"], [], 0, "mit")
    card = desk.ckpt / "README.md"
    card.write_text(card.read_text().replace("# Sentiment", "# My own title\n\nSentiment"))
    edited = desk.push_as_json()
    assert edited["changed"] == ["README.md"]
    assert b"# My own title" in desk.there.files["README.md"]
    assert desk.there.card_data["license"] == "mit"
    assert len(desk.list_stored()) == n_stored
    assert len(desk.hub.uploads.commits) == 2


@pytest.mark.parametrize("part_bytes", [None, 40_000])
def test_every_fault_that_passes_is_waited_out_and_one_commit_is_made(desk: Desk, part_bytes: int | None) -> None:
    desk.hub.uploads.part_bytes = part_bytes
    desk.hub.faults.plan(
        Fault("/whoami-v2", status=503),
        Fault("/repos/create", method="POST", status=502),
        Fault("/preupload/", method="POST", status=429, headers={"Retry-After": "1"}, spared=2),
        Fault("/objects/batch", method="POST", status=500, spared=1),
        Fault("/store/", method="PUT", cut_body_after=20_000, spared=1),
        Fault("/store/", method="PUT", status=503),
        Fault("/verify", method="POST", status=500),
        Fault("/commit/", method="POST", status=500),
        Fault("/commit/", method="POST", status=500, is_done=True),  # made, and its answer is lost
    )
    outcome = desk.push(*MIT)
    assert desk.hub.faults.n_left == 0
    assert outcome.stderr.count("trying again") == 9
    assert len(desk.hub.uploads.commits) == 1
    assert desk.there.sha[:7] in outcome.stdout
    assert predict(desk, REPO) == predict(desk, "ckpt")


def test_push_that_gave_up_goes_on_where_it_stood(desk: Desk) -> None:
    desk.hub.faults.plan(Fault("/commit/", method="POST", status=503, times=EVER))
    failed = desk.push(*MIT, code=1)
    assert "the Hub answered 503 (Service Unavailable), 5 times in a row." in failed.stderr
    assert "Run the same command again: what the Hub has by now is not sent again." in failed.stderr
    stored = desk.list_stored()
    assert len(stored) == 3  # the weights and two graphs
    desk.hub.faults.plan()
    published = desk.push_as_json(*MIT)
    assert desk.list_stored() == stored
    assert published["n_bytes_there"] == sum(len(desk.there.files[name]) for name in (WEIGHTS, *GRAPHS))
    assert len(desk.hub.uploads.commits) == 1


def test_interrupted_push_goes_on_where_it_stood(desk: Desk) -> None:
    desk.hub.faults.plan(Fault("/store/", method="PUT", status=503, times=EVER, spared=1))
    with subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "export", "ckpt", "--push", REPO, *MIT],
        cwd=desk.folder,
        env={**os.environ, **desk.environment, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(desk.folder / "cache")},
        stderr=subprocess.PIPE,
        preexec_fn=hear_interrupts,
    ) as process:
        ends = time.monotonic() + 60
        while not any(each.method == "PUT" and each.status == 503 for each in desk.hub.requests) and time.monotonic() < ends:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr
    assert not desk.hub.uploads.commits
    (stored,) = desk.list_stored()
    desk.hub.faults.plan()
    desk.push(*MIT)
    assert desk.list_stored().count(stored) == 1
    assert len(desk.hub.uploads.commits) == 1


def test_commit_of_somebody_else_in_between_is_not_overwritten(desk: Desk) -> None:
    desk.push(*MIT)
    (desk.ckpt / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    desk.hub.uploads.meanwhile = {"README.md": b"---\nlicense: mit\n---\n# Theirs\n"}
    refused = desk.push(code=1)
    assert f"{REPO}: somebody else committed to it meanwhile ({desk.there.sha[:7]}), so nothing was published." in refused.stderr
    assert b"# Theirs" in desk.there.files["README.md"]
    theirs = desk.there.sha
    again = desk.push()
    assert f", over {theirs[:7]}, which the Hub keeps" in again.stdout
    assert "was edited there; the one of this folder, edited too, replaces it." in again.stderr
    assert b"# Mine" in desk.there.files["README.md"]


def test_card_that_was_edited_on_the_hub_stays_with_its_licence(desk: Desk) -> None:
    desk.push(*MIT)
    card = b"---\nlicense: cc-by-4.0\n---\n# Written on the page\n"
    desk.hub.uploads.change(REPO, {"README.md": card})
    outcome = desk.push()
    assert "was edited there, and stays as it is." in outcome.stderr
    assert desk.there.files["README.md"] == card
    desk.push("--license", "apache-2.0")
    assert b"# Written on the page" in desk.there.files["README.md"]
    assert desk.there.card_data["license"] == "apache-2.0"


def test_graphs_of_an_earlier_checkpoint_go_and_weights_of_others_are_not_mixed(desk: Desk) -> None:
    first = desk.push_as_json("--onnx", *MIT)
    assert {"onnx/model.onnx", "onnx/model_quantized.onnx"} <= {*first["changed"]}
    manifest = json.loads(desk.there.files["polarity.json"])
    assert b'dtype: "q8"' in desk.there.files["README.md"]
    assert {*manifest["files"]} == {*desk.there.files} - {".gitattributes", "polarity.json"}
    shutil.rmtree(desk.ckpt / "onnx")
    whole = json.loads((desk.ckpt / "polarity.json").read_text())
    files = {name: sha256 for name, sha256 in whole["files"].items() if not name.startswith("onnx/")}
    (desk.ckpt / "polarity.json").write_text(json.dumps({**whole, "files": files, "onnx": None}))
    second = desk.push_as_json()
    assert [name for name in second["removed"] if name.endswith(".onnx")] == ["onnx/model.onnx", "onnx/model_quantized.onnx"]
    assert not [name for name in desk.there.files if name.startswith("onnx/")]
    desk.hub.uploads.change(REPO, {"pytorch_model.bin": b"x", "notes.txt": b"mine"})
    refused = desk.push(code=2)
    assert "it holds another model's files, which would stay: pytorch_model.bin." in refused.stderr
    assert "notes.txt" in desk.there.files


def test_nothing_is_made_on_the_hub_without_a_licence_or_a_right(desk: Desk) -> None:
    for args, environment, phrase in (
        ((), {}, "nothing says under which licence others may use the model."),
        (("--license", "apache2"), {}, "Written like it: apache-2.0."),
        (("--license", "other"), {}, "A licence of your own needs a name."),
        (MIT, {"HF_TOKEN": ""}, "there is no token to write with."),
        (MIT, {"HF_TOKEN": "wrong"}, "The Hub does not know this token"),
        (MIT, {"HF_TOKEN": READER}, f"{REPO}: this token may not write there."),
        ((*MIT, "--offline"), {}, "--offline makes no connection."),
    ):
        outcome = run_polarity(
            *("export", "ckpt", "--push", REPO, *args),
            cwd=desk.folder,
            cache=desk.folder / "cache",
            environment=desk.environment | environment,
        )
        assert outcome.code in (1, 2)
        assert phrase in outcome.stderr
        assert "Traceback" not in outcome.stderr
    assert not desk.hub.models
    assert not desk.list_stored()


def test_licence_of_the_repository_is_taken(desk: Desk) -> None:
    desk.hub.models[REPO] = Repository({"README.md": b"---\nlicense: bsd-3-clause\n---\n"})
    assert desk.push_as_json()["license"] == "bsd-3-clause"
    assert desk.there.card_data["license"] == "bsd-3-clause"
    assert b"## Scores" in desk.there.files["README.md"]


def test_damaged_checkpoint_and_links_are_refused_before_anything_is_asked(desk: Desk) -> None:
    secret = desk.folder / "secret"
    secret.write_text("---\nlicense: mit\n---\nsecret")
    (desk.ckpt / "README.md").unlink()
    (desk.ckpt / "README.md").symlink_to(secret)
    assert "a link that leaves its folder" in desk.push(*MIT, code=2).stderr
    (desk.ckpt / "README.md").unlink()
    (desk.ckpt / "README.md").write_text("---\n{: [\n---\n")
    assert "its front is no YAML of a card" in desk.push(*MIT, code=2).stderr
    (desk.ckpt / "README.md").write_text(f"---\nlicense: mit\n---\nMade in {desk.folder}/x\n")
    assert "a folder of this machine" in desk.push(*MIT, code=2).stderr
    (desk.ckpt / "README.md").unlink()
    with (desk.ckpt / GRAPHS[1]).open("ab") as file:
        file.write(b"x")
    (desk.ckpt / "history.jsonl").unlink()
    refused = desk.push(*MIT, code=2)
    assert "ckpt: not as it was written: history.jsonl is missing, polarity/int8.onnx was changed." in refused.stderr
    assert not desk.hub.requests


def test_language_is_that_of_the_encoders_own_card(desk: Desk) -> None:
    desk.hub.models["some/encoder"] = Repository({"README.md": b"---\nlanguage: [de, fr]\n---\n"})
    manifest = json.loads((desk.ckpt / "polarity.json").read_text())
    for hub_id, languages in (("some/encoder", ["de", "fr"]), ("gone/encoder", None), ("bert-base-uncased", "en")):
        encoder = {**manifest["encoder"], "name": hub_id, "hub_id": hub_id}
        (desk.ckpt / "polarity.json").write_text(json.dumps({**manifest, "encoder": encoder}))
        desk.push(*MIT)
        assert desk.there.card_data.get("language") == languages
        assert desk.there.card_data["base_model"] == hub_id


def test_copy_with_graphs_of_a_checkpoint_on_the_hub_is_published_whole(desk: Desk) -> None:
    desk.push(*MIT)
    desk.run("export", REPO, "--onnx", "--out", "copy", "--push", "me/copy", *MIT)
    there = desk.hub.models["me/copy"].files
    assert {*desk.there.files} < {*there}
    assert "onnx/model.onnx" in there
    assert predict(desk, "me/copy") == predict(desk, "ckpt")


def test_private_repository_stays_private_and_a_public_one_is_not_taken_for_one(desk: Desk) -> None:
    assert desk.push_as_json(*MIT, "--private")["private"] is True
    assert desk.there.private
    assert desk.push_as_json()["private"] is True
    desk.hub.models[REPO] = Repository(desk.there.files)
    assert "everybody can see it" in desk.push("--private", code=2).stderr


def test_checkpoint_of_the_hub_goes_to_another_name_whole(desk: Desk) -> None:
    desk.push(*MIT)
    desk.run("export", REPO, "--push", "theirs-too")  # a name without a user is one of the user's own
    first, second = desk.there.files, desk.hub.models["me/theirs-too"].files
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == {"README.md", "polarity.json"}
    assert predict(desk, "me/theirs-too") == predict(desk, "ckpt")
    assert b"--checkpoint me/theirs-too" in second["README.md"]


def test_model_of_another_program_goes_without_what_lies_beside_it(desk: Desk) -> None:
    folder = desk.folder / "theirs"
    build(folder, *ANSWERED["roberta"]())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_name_or_path": "/home/somebody/roberta"}))
    for name in ("optimizer.safetensors", "tokenizer_reviews.csv", "training_args.bin", ".env", "trainer_state.json"):
        (folder / name).write_bytes(b"x")
    outcome = desk.run("export", "theirs", "--push", REPO, *MIT)
    names = {*desk.there.files}
    assert {"config.json", WEIGHTS, "README.md"} <= names
    assert not names & {"optimizer.safetensors", "tokenizer_reviews.csv", "training_args.bin", ".env", "trainer_state.json"}
    assert "optimizer.safetensors" in outcome.stderr
    assert b"somebody" not in desk.there.files["config.json"]
    assert desk.there.card_data["license"] == "mit"
    assert predict(desk, REPO) == predict(desk, "theirs")
    assert "nothing: the Hub has it all" in desk.run("export", "theirs", "--push", REPO).stdout
