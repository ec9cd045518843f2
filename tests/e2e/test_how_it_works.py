"""docs/how-it-works.html in a browser: points are dragged, keys move them, training runs, and axe finds nothing."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
from pathlib import Path

import pytest
from browsing import browser  # noqa: F401

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-it-works.html"
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries())
  window.shifts.push(...entry.sources.map(({ node }) => `${node?.nodeName} ${node?.className} ${entry.value}`)); })
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def opened(browser):
    """Opens the page without a network; fails the test on a script error or a request."""
    contexts, faults = [], []

    def new(width: int = 1440, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        context.add_init_script(SHIFTS)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
        page.goto(PAGE.as_uri())
        return page

    yield new
    for context in contexts:
        context.close()
    assert not faults


def text(page, chapter: str) -> str:
    return page.locator(f"#{chapter} .readout").inner_text()


def drag(page, handle, by: tuple[int, int]) -> None:
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0], y + by[1], steps=4)
    page.mouse.up()


def test_every_chapter_answers_to_the_mouse(opened):
    page = opened()
    for chapter in ("codes", "learning", "stages", "restarts", "dropout", "bits"):
        before = text(page, chapter)
        drag(page, page.locator(f"#{chapter} .handle").first, (90, 70))
        assert text(page, chapter) != before, chapter
    assert page.evaluate("window.shifts") == []


def test_arrow_keys_move_a_point_and_enter_goes_to_the_next(opened):
    page = opened()
    first, second = page.locator("#codes .handle").first, page.locator("#codes .handle").nth(1)
    before = first.get_attribute("aria-label")
    first.focus()
    page.keyboard.press("Shift+ArrowRight")
    after = first.get_attribute("aria-label")
    assert after != before and page.locator("#announcer").inner_text() == after
    page.keyboard.press("Enter")
    assert second.evaluate("(node) => node === document.activeElement")
    assert page.locator("#codes .handle[tabindex='0']").count() == 1


def test_a_dead_codeword_restarts_unless_that_is_off(opened):
    page = opened(reduced_motion="reduce")
    restarts = page.locator("#restarts")
    assert "No restart yet" in text(page, "restarts")
    restarts.get_by_role("button", name="Run").click()
    assert "Codeword 5 restarted at step" in text(page, "restarts")
    restarts.get_by_role("button", name="Start over").click()
    restarts.get_by_role("button", name="Restarts").click()
    restarts.get_by_role("button", name="Run").click()
    assert "Step 240. Restarts are off. No restart yet." in text(page, "restarts")


def test_run_can_be_paused_and_codewords_learn(opened):
    page = opened()
    run = page.locator("#learning .main")
    run.click()
    page.wait_for_function("/Step [5-9]/.test(document.querySelector('#learning .readout').textContent)")
    assert run.inner_text() == "Pause"
    run.click()
    assert run.inner_text() == "Run"


def test_a_vertical_swipe_scrolls_and_a_touch_on_a_point_drags(opened):
    page = opened(390, has_touch=True, is_mobile=True)
    styles = page.evaluate("""() => ['.plane', '#codes svg', '#codes .handle']
        .map((name) => getComputedStyle(document.querySelector(name)).touchAction)""")
    assert styles == ["auto", "auto", "none"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate("""() => [...document.querySelectorAll('button, input, .handle .hit')]
        .filter((node) => node.getBoundingClientRect().height < 35).length""")
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing(opened, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    page = opened(width, color_scheme=scheme)
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then((results) => results.violations)")
    assert not found, [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]
