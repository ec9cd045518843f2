"""The priors' commands from end to end: train, generate, inpaint, fill, score, replay; and what bad input gets."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
import soundfile
import torch

import vqaudio
from vqaudio import hub, vqa
from vqaudio.masks import from_rectangles
from vqaudio.priors.masked import MaskedPrior, MaskedPriorConfig
from vqaudio.training.prior_task import config_for

CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def prior_folder(tmp_path_factory, model_folder, tiny_dataset):
    """A small masked prior of the small codec, never trained."""
    from vqaudio.data.datasets import fsdd

    torch.manual_seed(0)
    train = fsdd.load_split("train", tiny_dataset)
    prior = MaskedPrior(config_for(MaskedPriorConfig(dim=16, layers=1, heads=2), hub.load(model_folder), "small", train))
    lengths = torch.tensor([len(clip.audio) for clip in train.clips])
    labels = [[values.index(clip.labels[kind]) for kind, values in train.labels.items()] for clip in train.clips]
    prior.remember(lengths, torch.tensor(labels), torch.full((len(train),), -20.0))
    folder = tmp_path_factory.mktemp("priors") / "small-masked"
    hub.save_compact(prior, folder)
    return folder


@pytest.fixture
def models(model_folder, prior_folder):
    return ("--model", model_folder, "--prior", prior_folder, *CPU)


def test_generate_is_replayed_to_the_same_ids(command, models, tmp_path):
    code, out, err = command(
        "generate", tmp_path / "a.wav", "--labels", "digit=7", "speaker=theo", "--seed", 3, "--recipe", tmp_path / "a.json",
        *models,
    )
    assert (code, err) == (0, "") and soundfile.info(tmp_path / "a.wav").frames > 100
    recipe = json.loads((tmp_path / "a.json").read_text())
    assert recipe["labels"] == {"digit": "7", "speaker": "theo"} and recipe["seed"] == 3
    code, out, err = command("replay", tmp_path / "a.json", "--target", tmp_path / "b.wav", *CPU)
    assert code == 0 and "the same ids" in out
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_inpaint_changes_the_hole_and_what_is_near_it_only(command, models, codec, example_clips, tmp_path):
    clip = example_clips[0]
    arguments = ("--from", "0.1", "--to", "0.2", "--stages", "2-", "--seed", "1", "--recipe", tmp_path / "r.json")
    assert command("inpaint", clip, tmp_path / "a.wav", *arguments, *models) == (0, "", "")
    assert command("reconstruct", clip, tmp_path / "plain.wav", *models[:2], *CPU)[0] == 0
    filled, plain = (soundfile.read(tmp_path / name)[0] for name in ("a.wav", "plain.wav"))
    far = round((0.2 + (codec.context + 1) / codec.spec.frame_rate) * 8000)
    assert len(filled) == len(plain) and (filled != plain).any() and abs(filled[far:] - plain[far:]).max(initial=0) < 1e-3
    assert "the same ids" in command("replay", tmp_path / "r.json", *CPU)[1]


def test_fill_keeps_every_other_cell_of_a_vqa_file(command, models, codec, example_clips, tmp_path):
    assert command("encode", example_clips[0], tmp_path / "a.vqa", *models[:2], *CPU)[0] == 0
    before = vqa.read_vqa(tmp_path / "a.vqa", codec)
    matrix = torch.zeros(before.ids.shape[1:], dtype=torch.int)
    matrix[1, 2:6] = 1
    for name, said in (("m.json", matrix.tolist()), ("r.json", [{"start_s": 0.04, "end_s": 0.12, "stages": [1]}])):
        (tmp_path / name).write_text(json.dumps(said))
        out = tmp_path / f"{name}.vqa"
        assert command("fill", tmp_path / "a.vqa", out, "--mask", tmp_path / name, "--seed", "2", *models) == (0, "", "")
        after = vqa.read_vqa(out, codec)
        changed = (after.ids != before.ids)[0]
        assert changed.any() and not changed[matrix == 0].any()


def test_score_says_bits_and_writes_every_cell(command, models, example_clips, tmp_path):
    code, out, _ = command("score", example_clips[0], "--output", tmp_path / "bits.csv", *models)
    assert code == 0 and "bits per cell" in out and "pseudo" in out
    rows = (tmp_path / "bits.csv").read_text().splitlines()
    assert "priors.masked" in command("info", models[3])[1]
    assert len(rows) == 4 and all(float(cell) >= 0 for row in rows for cell in row.split(","))


def test_python_generates_and_inpaints(codec, prior_folder):
    prior = vqaudio.load(prior_folder)
    sound, codes = vqaudio.generate(
        codec, prior, {"digit": ["1", "2"]}, seconds=0.3, generator=torch.Generator().manual_seed(0), steps=4
    )
    assert sound.shape == (2, 1, 2400) and torch.isfinite(sound).all()
    mask = codes.region(0.1, 0.2)
    again, filled = vqaudio.inpaint(codec, prior, codes, mask, {"digit": "1"}, torch.Generator().manual_seed(1))
    assert again.shape == sound.shape and torch.equal(filled.ids[~mask], codes.ids[~mask])


@pytest.mark.parametrize(("arguments", "said"), [
    (("--labels", "digit=11"), "known are 0, 1, 2"), (("--labels", "colour=red"), "known are digit, speaker"),
    (("--labels", "seven"), "KIND=VALUE"), (("--temperature", "-1"), "temperature"), (("--top-p", "1.5"), "top-p"),
    (("--top-k", "0"), "top-k"), (("--steps", "0"), "step"), (("--seconds", "0"), "seconds"), (("--seconds", "1e9"), "seconds"),
    (("--seed", "-1"), "seed"),
])  # fmt: skip
def test_what_cannot_be_generated_is_a_sentence(command, models, tmp_path, arguments, said):
    code, _, err = command("generate", tmp_path / "a.wav", *arguments, *models)
    assert code == 2 and said in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mask", "said"), [
    ([], "A mask is"), ([[0, 1]], "rows of"), ({"start_s": 0}, "A mask is"), ([{"start_s": 0.1}], "needs start_s and end_s"),
    ([{"start_s": 0.0, "end_s": 0.1, "colour": 3}], "A rectangle has"), ([{"start_s": 90, "end_s": 91}], "The clip ends"),
    ([{"start_s": 0.0, "end_s": 0.1, "stages": "9"}], "stages 1 to"), ([{"start_s": 0.0, "end_s": 0.1, "bands": [5]}], "No cell"),
    ("not json", "not JSON"),
])  # fmt: skip
def test_a_wrong_mask_is_a_sentence(command, models, example_clips, tmp_path, mask, said):
    assert command("encode", example_clips[0], tmp_path / "a.vqa", *models[:2], *CPU)[0] == 0
    (tmp_path / "m.json").write_text(mask if isinstance(mask, str) else json.dumps(mask))
    code, _, err = command("fill", tmp_path / "a.vqa", tmp_path / "b.vqa", "--mask", tmp_path / "m.json", "--seed", "0", *models)
    assert code == 2 and said in err and not (tmp_path / "b.vqa").exists()


def test_variations_are_those_of_the_next_seeds(command, models, example_clips, tmp_path):
    """Each can be made again alone, and a recipe makes all of them again."""
    gap = ["--from", "0.1", "--to", "0.2", "--stages", "2-"]
    for verb in (["generate"], ["inpaint", example_clips[0]]):
        options = [*models, *(gap if verb[0] == "inpaint" else ())]
        together = [*verb, tmp_path / "a.wav", "--seed", "3", "--variations", "3", "--recipe", tmp_path / "a.json"]
        assert command(*together, *options)[0] == 0
        for i in range(3):
            assert command(*verb, tmp_path / "one.wav", "--seed", str(3 + i), *options)[0] == 0
            assert (tmp_path / "one.wav").read_bytes() == (tmp_path / f"a-{i + 1}.wav").read_bytes()
        assert not (tmp_path / "a.wav").exists()
        code, out, _ = command("replay", tmp_path / "a.json", "--target", tmp_path / "b.wav", *CPU)
        assert code == 0 and "the same ids" in out and (tmp_path / "b-3.wav").exists()


def test_variations_of_codes_are_one_file_and_keep_what_is_not_masked(command, models, example_clips, tmp_path):
    assert command("encode", example_clips[0], tmp_path / "a.vqa", *models[:2], *CPU)[0] == 0
    (tmp_path / "m.json").write_text(json.dumps([{"start_s": 0.1, "end_s": 0.2, "stages": "2-"}]))
    filling = ["fill", tmp_path / "a.vqa", tmp_path / "b.vqa", "--mask", tmp_path / "m.json", "--seed", "0", *models]
    assert command(*filling, "--variations", "4")[0] == 0
    before, four = (vqa.read_vqa(tmp_path / name) for name in ("a.vqa", "b.vqa"))
    mask = before.region(0.1, 0.2, range(1, len(before.spec.stages)))[0]
    assert len(four) == 4 and all(torch.equal(ids[~mask], before.ids[0][~mask]) for ids in four.ids)
    assert len(four.ids.unique(dim=0)) == 4
    for wrong in ("0", "65"):
        code, _, err = command(*filling, "--variations", wrong)
        assert code == 2 and "variations" in err.lower()


def test_a_prior_of_another_codec_is_refused_by_name(command, prior_folder, other_folder, tmp_path):
    code, _, err = command("generate", tmp_path / "a.wav", "--model", other_folder, "--prior", prior_folder, *CPU)
    assert code == 2 and "'small'" in err and "another codec" in err


@pytest.mark.parametrize("damage", [
    lambda r: [], lambda r: {**r, "vqaudio_recipe": 9}, lambda r: {k: v for k, v in r.items() if k != "settings"},
    lambda r: {**r, "prior_fingerprint": "0" * 32}, lambda r: {**r, "ids_sha256": "0"}, lambda r: {**r, "verb": "push"},
])  # fmt: skip
def test_a_damaged_recipe_is_refused(command, models, tmp_path, damage):
    made = command("generate", tmp_path / "a.wav", "--seed", "3", "--seconds", "0.2", "--recipe", tmp_path / "a.json", *models)
    assert made[0] == 0
    recipe = damage(json.loads((tmp_path / "a.json").read_text()))
    (tmp_path / "a.json").write_text(json.dumps(recipe))
    assert command("replay", tmp_path / "a.json", *CPU)[0] == 2


def test_rectangles_add_up(codec):
    codes = codec.encode(torch.zeros(1, 1, 4000))
    mask = from_rectangles([{"start_s": 0, "end_s": 0.1, "stages": "2-"}, {"start_s": 0.2, "end_s": 0.22}], codes)
    assert int(mask.sum()) == 5 * 3 + 4 and not mask[0, 0, :5].any()


@pytest.mark.parametrize("recipe", ["masked", "autoregressive", "lstm", "diffusion", "naive-bayes"])
def test_every_recipe_trains_and_goes_on(command, model_folder, tiny_dataset, tmp_path, monkeypatch, recipe):
    monkeypatch.chdir(tmp_path)
    small = () if recipe == "naive-bayes" else (
        "--prior.dim", "16", "--prior.layers", "1", "--loop.steps", "4", *(() if recipe == "lstm" else ("--prior.heads", "2"))
    )
    arguments = (
        "train", "prior", "--recipe", recipe, "--codec", model_folder, "--data", tiny_dataset, "--loop.device", "cpu",
        "--training.batch-size", "4", "--training.shifts", "0", "--training.speeds", "1.0", "--out", tmp_path / "run", *small,
    )
    code, out, _ = command(*arguments)
    assert code == 0 and ("loss" if recipe == "diffusion" else "bits") in out
    assert command(*arguments)[0] == 2
    code, out, _ = command(*arguments, "--resume")
    assert code == 0 and "nothing left to do" in out
    prior = vqaudio.load(tmp_path / "run" / "best")
    sound, codes = vqaudio.generate(vqaudio.load(model_folder), prior, {"digit": None}, generator=torch.Generator())
    assert torch.isfinite(sound).all() and len(codes) == 1


def test_a_fill_is_replayed_to_the_same_ids(command, models, codec, example_clips, tmp_path):
    assert command("encode", example_clips[0], tmp_path / "a.vqa", *models[:2], *CPU)[0] == 0
    (tmp_path / "m.json").write_text(json.dumps([{"start_s": 0.04, "end_s": 0.12, "stages": "2-"}]))
    arguments = ("--mask", tmp_path / "m.json", "--seed", "2", "--labels", "digit=7", "--recipe", tmp_path / "r.json")
    assert command("fill", tmp_path / "a.vqa", tmp_path / "b.vqa", *arguments, *models)[0] == 0
    recipe = json.loads((tmp_path / "r.json").read_text())
    assert recipe["settings"] == asdict(vqaudio.load(models[3]).default_sampling(generating=False))
    (tmp_path / "m.json").unlink()
    code, out, _ = command("replay", tmp_path / "r.json", "--target", tmp_path / "c.vqa", *CPU)
    assert code == 0 and "the same ids" in out
    one, other = (vqa.read_vqa(tmp_path / name, codec).ids for name in ("b.vqa", "c.vqa"))
    assert torch.equal(one, other)
    (tmp_path / "a.vqa").write_bytes((tmp_path / "b.vqa").read_bytes())
    code, _, err = command("replay", tmp_path / "r.json", "--target", tmp_path / "c.vqa", *CPU)
    assert code == 2 and "is not the input" in err


TINY_RUN = (
    "--training.batch-size", "4", "--training.shifts", "0", "--training.speeds", "1.0", "--loop.device", "cpu",
    "--loop.log-every", "1", "--loop.checkpoint-every", "2", "--loop.validate-every", "2",
)  # fmt: skip
TINY_MASKED = ("--recipe", "masked", "--prior.dim", "16", "--prior.layers", "1", "--prior.heads", "2", "--loop.steps", "2")


def test_two_processes_train_one_prior(environment, model_folder, tiny_dataset, tmp_path):
    """The command line under torchrun for two steps; each process keeps its prior at the end."""
    script = tmp_path / "ranks.py"
    script.write_text("""if True:
        import sys, torch
        from vqaudio.cli import main
        from vqaudio.training import loop
        fit = loop.fit
        def keeping_fit(task, config, folder, worker, resume=False, *facts):
            torch.save(task.modules["prior"].state_dict(), folder.parent / f"before{worker.rank}.pt")
            result = fit(task, config, folder, worker, resume, *facts)
            torch.save((worker.world, task.modules["prior"].state_dict()), folder / f"rank{worker.rank}.pt")
            return result
        loop.fit = keeping_fit
        sys.exit(main(sys.argv[1:]))
    """)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    models = ("--codec", model_folder, "--data", tiny_dataset, "--out", tmp_path / "run")
    arguments = ("train", "prior", *models, *TINY_MASKED, *TINY_RUN)
    done = subprocess.run(
        [*launch, *map(str, arguments)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    (world, one), (_, other) = (torch.load(tmp_path / "run" / f"rank{n}.pt", weights_only=True) for n in (0, 1))
    before = torch.load(tmp_path / "before0.pt", weights_only=True)
    assert world == 2 and one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(before["embedding.table.weight"], one["embedding.table.weight"])
    exported = hub.load(tmp_path / "run" / "last").state_dict()
    assert torch.equal(exported["rows.heads"], one["rows.heads"].half().float())


def test_a_run_begins_with_another_s_weights(
    command, model_folder, other_folder, tiny_dataset, prior_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "prior", "--codec", model_folder, "--data", tiny_dataset, *TINY_RUN, "--start-from", prior_folder]
    assert command(*arguments, *TINY_MASKED, "--training.learning-rate", "0", "--out", "a")[0] == 0
    trained, first = (vqaudio.load(folder).state_dict() for folder in (tmp_path / "a" / "last", prior_folder))
    assert all(torch.equal(trained[name], first[name]) for name in first if not name.startswith("example_"))
    arguments[arguments.index(model_folder)] = other_folder  # of the same stages: only what belongs to its codewords begins anew
    assert command(*arguments, *TINY_MASKED, "--training.learning-rate", "0", "--out", "c")[0] == 0
    changed = vqaudio.load(tmp_path / "c" / "last").state_dict()
    anew = {name for name in first if not name.startswith("example_") and not torch.equal(changed[name], first[name])}
    assert anew == {"embedding.table.weight", "rows.heads"}
    code, _, err = command(*arguments, *TINY_MASKED, "--prior.dim", "8", "--out", "b")
    assert code == 2 and "another shape" in err


def test_a_hole_becomes_what_it_is_asked_to_be(command, models, example_clips, tmp_path):
    told = ("--from", "0.1", "--to", "0.2", "--labels", "digit=3", "--seed", "1", *models)
    asked = ("--becomes", "digit=7", "--bands", "1", "--recipe", tmp_path / "r.json")
    assert command("inpaint", example_clips[0], tmp_path / "a.wav", *told, *asked) == (0, "", "")
    assert json.loads((tmp_path / "r.json").read_text())["mask"][0]["labels"] == {"digit": "7"}
    assert "the same ids" in command("replay", tmp_path / "r.json", "--target", tmp_path / "b.wav", *CPU)[1]
    for wrong, said in (("digit=11", "known are 0, 1, 2"), ("colour=red", "known are digit")):
        code, _, err = command("inpaint", example_clips[0], tmp_path / "c.wav", *told, "--becomes", wrong)
        assert code == 2 and said in err and not (tmp_path / "c.wav").exists()
