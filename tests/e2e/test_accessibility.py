"""axe-core on every tab of the app with its shipped models: no serious or critical violation."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import pytest
from browsing import browser, served, windows  # noqa: F401

from vqaudio import hub

axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
SHIPPED = {"voice-16khz", "notes-16khz", "fsdd-8khz", "speech-16khz"}
WINDOWS = {"phone": {"width": 390, "has_touch": True, "is_mobile": True}, "desktop": {"width": 1440}}
SERIOUS = ("serious", "critical")
LOADED = {  # what a tab shows once it has its content
    "Studio": "#codemap .cm[data-state=open]", "Instrument": ".kb[data-state=open]", "Compare": ".cp-play:not([disabled])",
    "Codebooks": ".cb-card summary", "Ask": "#ask .ak[data-state=open]",
}  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    if not set(hub.installed()) >= SHIPPED:
        pytest.skip("the shipped models are not here")
    patch = pytest.MonkeyPatch()
    yield from served(patch, tmp_path_factory)


def violations(page) -> list[str]:
    """The rules that are broken, with the nodes that break them."""
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then((results) => results.violations)")
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:160]}"
        for rule in found if rule["impact"] in SERIOUS for node in rule["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", WINDOWS)
def test_no_tab_has_a_serious_violation(windows, size, theme):
    page = windows(query=f"__theme={theme}", timeout_s=120, **WINDOWS[size])
    page.wait_for_function("document.body.dataset.vqReady === '1'")
    names = page.get_by_role("tab").all_inner_texts()
    assert set(names) >= set(LOADED)
    found = {}
    for name in names:
        page.get_by_role("tab", name=name, exact=True).click()
        if name in LOADED:
            page.wait_for_selector(LOADED[name])
        page.wait_for_timeout(400)  # transitions of colours
        found[name] = violations(page)
    assert not any(found.values()), "\n".join(f"{name}: {line}" for name, lines in found.items() for line in lines)
