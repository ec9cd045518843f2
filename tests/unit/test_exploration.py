"""The analysis of a codec's latents and codes, where the answer is known; its figures, and the app's view of them."""

import csv
import re
from dataclasses import asdict, replace
from xml.etree import ElementTree

import numpy as np
import pytest

from vqaudio import hub, plots
from vqaudio.analysis import exploration, training_curves
from vqaudio.analysis.exploration import Distances, Exploration, Map
from vqaudio.analysis.knowledge import EncodedSplit, knowledge
from vqaudio.codes import CodeSpec, Stage
from vqaudio.ui import facts
from vqaudio.ui.panels import charts as charts_module
from vqaudio.ui.panels import figures

SPEC = CodeSpec((Stage(1, 1, 4), Stage(1, 1, 4)), 50.0)


def seen(n_clips: int, labelled: bool = True, seed: int = 0) -> EncodedSplit:
    """Clips of ten columns; the first stage's index is the clip's label, the second's is noise, and so are the latents."""
    random = np.random.default_rng(seed)
    clips = np.repeat(np.arange(n_clips), 10)
    ids = np.stack([clips % 4, random.integers(0, 4, len(clips))], 1)
    labels = {"word": [str(i % 4) if labelled else None for i in range(n_clips)]}
    return EncodedSplit(random.normal(size=(len(clips), 3)), ids, random.random((len(clips), 2)), clips, labels, SPEC, n_clips)


@pytest.mark.parametrize(("labelled", "learned"), [(True, "train"), (False, "folds")])
def test_a_stage_that_is_the_label_knows_all_and_noise_knows_nothing(labelled, learned):
    found = knowledge("word", seen(200), seen(80, labelled, seed=1))
    assert found.learned_from == learned and found.clips == 200 and found.largest == 0.25
    assert found.nmi[0] == 1 and found.probe[0] == 1 == found.probe_of_all
    assert found.nmi[1] < 0.02 and found.probe[1] < 0.45 and found.probe_of_latents < 0.45
    assert found.nmi_by_chance[0] < 0.1, "the same indices know nothing of labels dealt out at random"


def test_clips_without_a_label_are_left_out():
    some = seen(80)
    some.labels["word"][:40] = [None] * 40
    assert knowledge("word", some, seen(80)).clips == 40
    assert exploration.has_classes("word", some) and not exploration.has_classes("word", seen(12)), "four clips a value"
    assert some.position("word", 0) == 4 and some.position("word", 41) == 1


@pytest.fixture
def found(codec) -> Exploration:
    """Something to draw."""
    known = knowledge("digit", replace(seen(80), labels={"digit": [str(i % 4) for i in range(80)]}), seen(80))
    space = Map([0.0, 1.0, 2.0], [1.0, 0.0, 1.0], {"digit": [0, 1, 4]}, [3, 0, 1], [0.5], [0.5])
    distances = Distances([0.0, 1.0, 2.0], [[0.25, 0.75], [1.0, 0.0]], [1.2, 0.4])
    values = {"digit": ["0", "1", "2", "3"]}
    return Exploration(codec.encoder_fingerprint, "fsdd", "test", 3, values, space, distances, {"digit": known})


def test_it_comes_back_from_its_file_and_damage_is_a_sentence(found, tmp_path):
    assert exploration.load(tmp_path) is None
    exploration.save(found, tmp_path)
    assert exploration.load(tmp_path) == found
    (tmp_path / exploration.FILE).write_text("{}")
    with pytest.raises(ValueError, match="is damaged.*vqaudio explore"):
        exploration.load(tmp_path)


def test_a_small_codec_is_looked_into_from_the_command_line(command, model_folder, tiny_dataset, tmp_path):
    """With real clips: what every column's distances are, and that the parts add up."""
    pytest.importorskip("umap")
    folder = tmp_path / "small"
    hub.save_compact(hub.load(model_folder), folder)
    code, out, err = command("explore", "--model", folder, "--data", tiny_dataset, "--part", "validation")
    assert code == 0, err
    known = exploration.load(folder)
    assert len(known.map.x) == len(known.map.words) == known.columns > 20 and len(known.map.words_x) == 32
    assert all(sum(stage) == pytest.approx(1, abs=0.01) for stage in known.distances.shares) and len(known.distances.shares) == 4
    assert str(folder / exploration.FILE) in out


def test_without_umap_it_says_so(codec, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ValueError, match="UMAP is not installed: `pip install umap-learn`"):
        exploration.flat_map(codec, seen(20))


@pytest.fixture
def run(tmp_path):
    rows = [{"step": i, "train_loss": 10 - i / 100, "train_adversarial": 0, "train_perplexity_1": i, "train_gradient_norm": 3,
             "train_gradient_head": 2, "validation_mel_l1": 0.5 if i % 100 == 0 else ""} for i in range(1, 301)]  # fmt: skip
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_a_run_is_read_in_few_rows(run):
    curves = training_curves.read(run)
    assert len(curves.step) == training_curves.ROWS and curves.step[-1] == 300
    assert curves.looks == [100, 200, 300] and curves.validation == {"mel_l1": [0.5] * 3}
    assert set(curves.losses) == {"loss"} and set(curves.gradients) == {"head"} and curves.gradients["head"] == [2] * 120
    assert np.mean(curves.perplexity["1"]) == pytest.approx(150, abs=1)


@pytest.mark.parametrize(("what", "axis"), [
    ("map", ("UMAP dimension 1 (no unit)", "UMAP dimension 2 (no unit)")),
    ("distances", ("Euclidean distance to the sum of the codewords so far, in the latents' own unit", "% of the cells")),
    ("knows", ("stage", "normalised mutual information")),
])  # fmt: skip
def test_every_figure_names_its_axes_and_is_an_svg_and_a_png(command, found, model_folder, tmp_path, what, axis):
    folder = tmp_path / "small"
    hub.save_compact(hub.load(model_folder), folder)
    assert "has not been analysed yet" in command("plot", tmp_path / "a.svg", "--what", what, "--model", folder)[2]
    exploration.save(found, folder)
    for form in ("svg", "png"):
        assert command("plot", tmp_path / f"a.{form}", "--what", what, "--model", folder) == (0, "", "")
    drawn = (tmp_path / "a.svg").read_text()
    assert all(name in drawn for name in axis) and (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_run_is_drawn_with_what_it_recorded(command, run):
    figure = plots.training_figure(training_curves.read(run))
    assert [axis.get_xlabel() for axis in figure.axes] == ["training steps"] * 4
    assert "gradient" in figure.axes[3].get_ylabel() and figure.axes[3].get_lines()[0].get_label() == "head"
    without = replace(training_curves.read(run), gradients={})
    assert "not recorded" in plots.training_figure(without).axes[3].texts[0].get_text()
    assert command("plot", run / "a.png", "--what", "training", "--run", run) == (0, "", "")
    code, _, err = command("plot", run / "b.png", "--what", "training", "--run", run / "nowhere")
    assert code == 2 and "There is no training run" in err
    (run / "metrics.csv").write_text("a,b\n1,2\n")
    assert "is not the metrics.csv of a run" in command("plot", run / "b.png", "--what", "training", "--run", run)[2]


@pytest.fixture
def explored(found, run, model_folder, tmp_path, monkeypatch):
    """A codec with an exploration and a model card."""
    folder = tmp_path / "small"
    hub.save_compact(hub.load(model_folder), folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# small\n\nA <b>codec</b>.\n")
    exploration.save(exploration.with_training(found, [training_curves.read(run)]), folder)
    codec = hub.load(folder)
    monkeypatch.setattr(figures.models, "codec", lambda name: codec)
    return codec


def test_the_app_draws_the_exploration_of_these_weights(explored, found):
    page = figures.view("small")
    shown, card = page.split('<details class="cb-card"')
    assert shown.count('class="vq-chart"') == 4 == shown.count("Save as SVG") == shown.count("Save as PNG")
    assert "Map of the latents" in shown and "Codes and digit" in shown and "training" not in shown.split("Codes and digit")[0]
    assert card.count('class="vq-chart"') == 1 and "Training run" in card and "A &lt;b&gt;codec&lt;/b&gt;." in card
    assert "license: mit" not in card
    facts.exploration.cache_clear()
    exploration.save(replace(found, encoder="another"), explored.folder)
    assert "vqaudio explore --model small" in figures.view("small")


def test_the_charts_are_xml_in_the_colours_of_the_page(explored):
    page = figures.view("small")
    charts = re.findall(r"<svg.*?</svg>", page, re.S)
    assert "<img" not in page
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root.get("role") == "img" and len(root.get("aria-label")) > 20
        colours = set(re.findall(r'(?:fill|stroke):([^;}"]+)', chart))
        assert colours <= {"none", *(value for value in vars(charts_module).values() if isinstance(value, str))}, colours
    groups = ElementTree.fromstring(charts[0]).findall("{*}g")
    assert [group.get("data-kind") for group in groups] == ["digit"]
    assert [path.get("data-label") for path in groups[0].findall("{*}path")] == [None, "1", "no label", "0"], "0 is on top"


@pytest.mark.parametrize("share, wanted", [(0.25, 1.0), (0.625, 1.5), (1.0, 2.0)])
def test_a_quantile_of_distances_is_read_from_their_histogram(share, wanted):
    assert figures._quantile(Distances([0.0, 1.0, 2.0], [[0.25, 0.75]], [1.2]), 0, share) == pytest.approx(wanted)


@pytest.mark.parametrize("span, step", [(1.0, 0.5), (100, 50), (0.37, 0.1), (14.2, 5)])
def test_the_numbers_on_an_axis_are_round(span, step):
    assert charts_module.round_step(span) == pytest.approx(step)


def test_what_is_shipped_was_measured_with_the_shipped_weights():
    codec = hub.load("fsdd-8khz")
    known = exploration.load(codec.folder)
    assert known.encoder == codec.encoder_fingerprint and set(known.knows) == {"digit", "speaker"}
    assert [curves.name for curves in known.training] == ["fsdd-8khz", "fsdd-8khz-decoder"]
    assert (codec.folder / exploration.FILE).stat().st_size < 100_000 and asdict(known)["part"] == "test"
