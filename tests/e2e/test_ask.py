"""The tab Ask in a browser: a scene is heard and seen, questions are answered, the truth is a press away."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import pytest
from browsing import browser, served, windows  # noqa: F401

from tests import asking
from vqaudio import hub

SMALL = """[...document.querySelectorAll('.ak button')]
  .map(button => [button.textContent || button.ariaLabel, button.getBoundingClientRect()])
  .filter(([, box]) => box.width && box.height < 40).map(([name]) => name)"""


@pytest.fixture(scope="module")
def app(model_folder, tmp_path_factory):
    patch, weights = pytest.MonkeyPatch(), tmp_path_factory.mktemp("weights")
    asking.save_networks(weights)
    patch.setenv("VQAUDIO_MODEL", str(model_folder))
    patch.setattr(hub, "WEIGHTS", weights)
    yield from served(patch, tmp_path_factory)


@pytest.fixture(params=[1440, 390])
def page(windows, request):
    page = windows(request.param)
    page.get_by_role("tab", name="Ask").click()
    page.wait_for_selector(".ak[data-state=open]")
    return page


def ask(page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.locator(".ak-ask").click()
    page.wait_for_function("q => document.querySelector('.ak .cm-status').textContent.startsWith(q)", arg=question)


def test_a_scene_is_played_at_its_length_and_level(page):
    page.locator(".ak-play").click()
    page.wait_for_selector(".ak.cm-playing")
    heard = page.evaluate("window.ear.at(-1)")
    seconds = float(page.locator(".ak-title").inner_text().split(", ")[1].removesuffix(" s"))
    assert abs(heard["n"] / heard["rate"] - seconds) < 0.1 and 0.01 < heard["rms"] < 0.3
    assert page.locator(".ak-play").get_attribute("aria-label") == "Pause"
    page.locator(".ak-play").click()
    page.wait_for_selector(".ak:not(.cm-playing)")


def test_answers_then_the_truth_step_by_step(page):
    page.get_by_role("button", name="How many", exact=True).click()
    page.wait_for_selector(".ak-answer:not([hidden])")
    assert page.locator(".ak-bar").count() == 10 and page.locator(".ak-truth").is_hidden()
    shares = [float(text.rstrip("%")) for text in page.locator(".ak-bar span:last-child").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    page.get_by_role("button", name="Show the true answer").click()
    assert page.locator(".ak-true").inner_text().startswith(("Correct: ", "Wrong: it is "))
    step = page.locator(".ak-steps button").first
    assert step.inner_text().startswith("all sounds")
    step.click()
    assert step.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="All 13 answers").click()
    assert page.locator(".ak-bar").count() == 13


def test_questions_are_completed_with_the_keyboard(page):
    box = page.get_by_label("Your question")
    box.fill("how many")
    page.wait_for_selector(".ak-list li")
    box.press("ArrowDown")
    chosen = page.locator(".ak-list li[aria-selected=true]").inner_text()
    assert chosen.lower().startswith("how many")
    box.press("Enter")
    page.wait_for_selector(".ak-answer:not([hidden])")
    assert box.input_value() == chosen and page.locator(".ak-list").is_hidden()


def test_unknown_words_and_empty_questions_get_a_sentence(page):
    ask(page, "How many purple cello sounds are there?")
    assert "It does not know: purple." in page.locator(".ak .cm-status").inner_text()
    page.get_by_label("Your question").fill("")
    page.locator(".ak-ask").click()
    page.get_by_text("The question is empty").wait_for()


def test_another_scene_and_the_pictures(page):
    before = page.locator(".ak-title").inner_text(), page.evaluate("document.querySelector('.ak-canvas').toDataURL()")
    page.get_by_role("button", name="New scene").click()
    page.wait_for_function("was => document.querySelector('.ak-canvas').toDataURL() !== was", arg=before[1])
    page.get_by_role("radio", name="Pictures").click()
    page.wait_for_selector(".ak[data-kind=picture]")
    page.get_by_role("button", name="Which shape").click()
    page.wait_for_selector(".ak-answer:not([hidden])")
    assert page.locator(".ak-play").is_hidden()


def test_nothing_is_wider_than_the_page_and_targets_are_large(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.evaluate(SMALL)
    assert not [name for name in small if name not in ("Notes", "Pictures")], small
