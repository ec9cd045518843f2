"""The report: at most three pages, numbers from the files, and missing results named."""

import json
import re
import shutil
from pathlib import Path

import pytest

from vqaudio import report
from vqaudio.errors import InputError
from vqaudio.report import results

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("typst", reason="the extra 'report' is not installed")
ROOT = Path(__file__).resolve().parents[2]


def copy_of_the_results(folder: Path) -> Path:
    """Link all models and results into a folder, so that a test can remove some."""
    for kind in ("weights/*/*", "experiments/*", "benchmarks/results/*", "assets/examples/*"):
        for path in ROOT.glob(kind):
            link = folder / path.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@pytest.fixture
def root(tmp_path):
    return copy_of_the_results(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The current report: the PDF, its page count, and its text without line breaks."""
    target = tmp_path_factory.mktemp("report") / "report.pdf"
    pages = report.build(target, ROOT)
    return target, pages, text_of(target)


def text_of(path: Path) -> str:
    text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(path).pages).split())
    text = text.replace("\N{SOFT HYPHEN}", "-")  # the PDF's one hyphen glyph, if its first use divides a word
    return re.sub(r"(?<=\w)- (?=\w)", "-", text)  # a model's name may be broken at its hyphen


def test_it_has_three_pages_at_most_and_is_small(built):
    target, pages, _ = built
    assert len(pypdf.PdfReader(target).pages) == pages <= 3 and target.stat().st_size < 1_500_000


def test_its_tables_match_the_files(built):
    text = built[2]
    folders = {path.parent.name: path.parent for path in ROOT.glob("weights/*/metrics.json") if "ask-" not in path.parent.name}
    assert "fsdd-8khz" in folders
    for name, folder in folders.items():
        metrics = json.loads((folder / "metrics.json").read_text())
        for row in metrics.get("rows", []):
            numbers = [f"{row['bits_per_second']:,.0f}", f"{row['mel_l1']:.3f}", f"{row['mr_stft']:.3f}"]
            numbers += [f"{100 * share:.1f}" for share in (row.get("judged") or {}).values()]
            in_order(text, row["name"], *numbers)
        if "bits_per_code" in metrics:
            in_order(text, name, f"{metrics['bits_per_code']:.3f}")
            own = next(row for row in metrics["inpainting"] if row["name"] == name)
            in_order(text, name, f"{own['mel_l1']:.3f}", f"{own['seam']:.3f}")
        runs = json.loads((folder / "training.json").read_text())
        in_order(text, name, f"{sum(run['steps'] for run in runs):,}", f"{sum(run['seconds'] for run in runs) / 60:.0f}"[:2])


def in_order(text: str, first: str, *numbers: str) -> None:
    """Assert that a row that starts this way is followed by these numbers in order."""
    for at in (match.end() for match in re.finditer(re.escape(first), text)):
        row, place = text[at : at + 120], 0
        for number in numbers:
            place = row.find(number, place)
            if place < 0:
                break
        else:
            return
    raise AssertionError(f"{first}: {numbers} is not in the report")


def test_its_energy_and_experiments_match_the_files(built):
    text = built[2]
    for path in ROOT.glob("weights/*/energy.json"):
        for use in json.loads(path.read_text())["uses"]:
            digits = results._spread(use["above_idle"], use["above_idle_spread"])
            in_order(text, use["model"], *digits.split())
    for panel in results.read(ROOT).experiments:
        for setting, *shown in panel.for_template()["rows"]:
            in_order(text, f"{setting}:", *" ".join(shown).split())


def test_it_covers_exactly_the_installed_models(built):
    text = built[2]
    here = {path.parent.name for path in ROOT.glob("weights/*/config.json") if not re.search("judge|^ask-", path.parent.name)}
    for name in here:
        assert name in text
    assert ("notes-16khz" in text) == ("notes-16khz" in here)


def test_the_template_contains_no_results():
    source = (report.HERE / "report.typ").read_text()
    lengths = re.compile(r"\d+\.\d+(?=pt|cm|em|fr| \* size)")
    assert not re.findall(r"\d+\.\d+", lengths.sub("", source))


def test_the_committed_report_is_up_to_date(built):
    committed = ROOT / "assets" / "report.pdf"
    assert committed.is_file(), "run `vqaudio report`"
    wanted, found = (re.findall(rf"[{results.MINUS}\d.,]*\d", text) for text in (built[2], text_of(committed)))
    assert found == wanted, "the results have changed: run `vqaudio report` to update assets/report.pdf"


@pytest.mark.parametrize("name", [
    "weights/fsdd-8khz/metrics.json", "weights/fsdd-8khz/training.json", "weights/fsdd-8khz/codebooks.json",
    "weights/fsdd-8khz/energy.json", "weights/fsdd-8khz-masked/metrics.json", "benchmarks/results/codec.json",
])  # fmt: skip
def test_a_missing_result_stops_the_build_with_its_name(root, tmp_path, command, name):
    (root / name).unlink()
    code, _, err = command("report", tmp_path / "out.pdf", "--root", root)
    assert code == 2 and name in err and "vqaudio" in err and err.count("\n") == 1
    assert not (tmp_path / "out.pdf").exists()


def test_a_missing_number_is_named_with_its_file(root):
    path = root / "weights/fsdd-8khz-masked/metrics.json"
    found = json.loads(path.read_text())
    del found["bits_per_code"]
    path.unlink()
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"bits_per_code in weights/fsdd-8khz-masked/metrics.json"):
        results.read(root)


def test_a_damaged_result_is_named(root):
    path = root / "weights/fsdd-8khz/energy.json"
    path.unlink()
    path.write_text("{")
    with pytest.raises(InputError, match=r"weights/fsdd-8khz/energy.json is damaged"):
        results.read(root)


def test_an_experiment_without_results_stops_the_build(root):
    (root / "experiments" / "unheard-of.toml").write_text('recipe = "fsdd-8khz-small"\n')
    with pytest.raises(InputError, match=r"unheard-of.json"):
        results.read(root)


def test_text_that_does_not_fit_is_an_error(monkeypatch, tmp_path, root):
    monkeypatch.setattr(report, "PAGES", 0)
    monkeypatch.setattr(report, "SIZES_PT", (8.0,))
    with pytest.raises(InputError, match="to fit 0"):
        report.build(tmp_path / "out.pdf", root)
    assert not (tmp_path / "out.pdf").exists()


def test_without_typst_the_error_says_what_to_install(monkeypatch, command, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    code, _, err = command("report", tmp_path / "out.pdf")
    assert code == 2 and "pip install -e .[report]" in err


def test_without_other_models_the_report_covers_only_the_digits(root, tmp_path):
    for folder in root.glob("weights/*"):
        if not folder.name.startswith("fsdd"):
            shutil.rmtree(folder)
    report.build(tmp_path / "out.pdf", root)
    text = text_of(tmp_path / "out.pdf")
    assert "fsdd-8khz-masked" in text and "voice-16khz" not in text and "notes-16khz" not in text
