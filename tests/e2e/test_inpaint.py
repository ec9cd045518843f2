"""Having a prior write cells, as a person does it: the whole gesture, bad input, other people, programs."""

# ruff: noqa: F811  (fixtures are imported, and named as arguments)
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from browsing import ask_server, browser, listen, shows, windows  # noqa: F401
from filling import app, done, drag, field, ids, page, pages, selected  # noqa: F401

from vqaudio.ui import pools

ARTIFACTS = Path(os.environ.get("VQAUDIO_ARTIFACTS", Path(__file__).resolve().parents[2] / "artifacts"))


# --- the whole gesture ------------------------------------------------------------------------------------------------------


def test_drag_enter_listen_undo(page, tmp_path):
    before = ids(page, tmp_path)
    drag(page, (2, 0.3), (2, 0.5))
    assert 0 < selected(page) < before.size and field(page, "stages") == "2-4"
    page.keyboard.press("Enter")
    done(page)
    page.wait_for_function("window.ear.length > 0")
    heard = page.evaluate("window.ear.at(-1)")
    assert heard["gain"] == 1 and heard["rms"] > 0, "the first variation is played as it comes, at its true level"
    cells = selected(page)
    for text in page.locator(".cm-kept").all_inner_texts():
        kept, of = map(int, re.findall(r"\d+", text))
        assert kept == of == before.size - cells
    assert np.array_equal(ids(page, tmp_path), before), "nothing is in the clip before it is used"
    page.get_by_label("Use variation 2").click()
    shows(page, ".cm-status", "Variation 2 is the clip now")
    after = ids(page, tmp_path)
    first, last = round(float(field(page, "from")) * 50), round(float(field(page, "to")) * 50)
    hole = np.zeros_like(before, dtype=bool)
    hole[1:, first:last] = True
    assert hole.sum() == cells and np.array_equal(after[~hole], before[~hole]) and not np.array_equal(after, before)
    page.locator(".cm-lanes").focus()
    page.keyboard.press("Control+z")
    shows(page, ".cm-status", "Undone. As it was encoded.")
    assert np.array_equal(ids(page, tmp_path), before)
    page.keyboard.press("Control+y")
    shows(page, ".cm-status", "Redone.")
    assert np.array_equal(ids(page, tmp_path), after)


def test_a_and_b_are_compared_at_true_level(page):
    drag(page, ("sound", 0.3), ("sound", 0.6))
    page.locator(".cm-do-fill").click()
    done(page)
    page.locator(".cm-loop").check()
    page.get_by_label("Play variation 3").click()
    shows(page, "[data-ab=b]", "B: variation 3")
    shows(page, ".cm-gutter-sound .cm-name", "Variation 3")
    b = page.evaluate("window.ear.at(-1)")
    page.locator("[data-ab=a]").click()
    page.wait_for_function("document.querySelector('[data-ab=a]').getAttribute('aria-checked') === 'true'")
    a = page.evaluate("window.ear.at(-1)")
    assert a["gain"] == b["gain"] == 1 and a["rms"] != b["rms"] and a["n"] == b["n"]


def test_a_typed_seed_is_used_and_stays(page, tmp_path):
    drag(page, (1, 0.2), (1, 0.4))
    page.locator(".cm-seed").fill("7")
    results = []
    for _ in range(2):
        page.locator(".cm-do-fill").click()
        done(page)
        assert "seed 7" in page.locator(".cm-card").first.inner_text()
        page.get_by_label("Use variation 1").click()
        shows(page, ".cm-status", "Variation 1 is the clip now")
        results.append(ids(page, tmp_path))
        page.locator("[data-edit=undo]").click()
        shows(page, ".cm-status", "Undone.")
    assert np.array_equal(*results)
    assert page.locator(".cm-seed").input_value() == "7"
    page.locator(".cm-seed").fill("")
    page.locator(".cm-do-fill").click()
    page.wait_for_function("/^last: \\d+$/.test(document.querySelector('.cm-seed').placeholder)")
    done(page)
    seed = page.locator(".cm-seed").get_attribute("placeholder").removeprefix("last: ")
    assert page.locator(".cm-seed").input_value() == "" and f"seed {seed}" in page.locator(".cm-card").first.inner_text()


def test_the_steps_can_be_seen_and_heard(page):
    drag(page, ("sound", 0.3), ("sound", 0.8))
    page.locator(".cm-steps").fill("6")
    page.keyboard.press("Tab")
    page.locator(".cm-do-fill").click()
    done(page)
    page.locator(".cm-step").fill("1")
    shows(page, ".cm-step-text", "Variation 1, step 1 of 6:")
    shows(page, ".cm-step-text", "not decided yet")
    page.wait_for_selector(".cm:not(.cm-playing)")
    page.locator(".cm-loop").check()
    page.locator(".cm-play").click()
    shows(page, ".cm-status", "Playing variation 1 after step 1.")
    page.locator(".cm-step").fill("6")
    shows(page, ".cm-step-text", "all cells decided")


GREYS = """(stage) => {
  const canvas = document.querySelectorAll(".cm-lane-stage canvas")[stage - 1];
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let greys = 0;
  for (let i = 0; i < data.length; i += 4) greys += data[i] === 128 && data[i + 1] === 128 && data[i + 2] === 128;
  return greys;
}"""


def test_the_prior_is_seen_at_work_in_the_lanes(page):
    page.locator(".cm-prior").select_option("slow")
    drag(page, (2, 0.3), (2, 0.8))
    assert page.evaluate(GREYS, 3) == 0
    page.locator(".cm-steps").fill("50")
    page.locator(".cm-do-fill").click()
    page.wait_for_selector(".cm-card[data-state=live]")
    shows(page, ".cm-gutter-sound .cm-note", "Sampling: grey cells are undecided.")
    seen = []
    while page.locator(".cm-card[data-state=done]").count() == 0:
        seen.append(page.evaluate(GREYS, 3))
    assert len(set(seen)) > 2 and max(seen) > 0, "the grey cells give way, step by step"
    page.wait_for_function("document.querySelectorAll('.cm-card[data-state=done]').length == 4")  # one batch: all at once
    assert page.evaluate(GREYS, 3) == 0


# --- bad input, other people ------------------------------------------------------------------------------------------------


def test_a_fill_is_cancelled_and_a_second_press_refused(page, tmp_path):
    before = ids(page, tmp_path)
    page.locator(".cm-prior").select_option("slow")
    shows(page, ".cm-prior-note", "ignores audio after the gap")
    page.locator("[data-mask=all]").click()
    page.locator(".cm-steps").fill("60")
    page.locator(".cm-do-fill").click()
    page.wait_for_function("document.querySelector('.cm-progress progress').value > 0")
    page.locator(".cm-refine").click()
    shows(page, ".cm-status", "A model is at work already")
    page.locator(".cm-cancel").click()
    shows(page, ".cm-status", "Cancelled. Nothing changed.")
    assert not page.locator(".cm-progress").is_visible()
    assert np.array_equal(ids(page, tmp_path), before)


@pytest.mark.parametrize("field_name, value, sentence", [
    ("temperature", "9", "The temperature is a number from 0 to 5."), ("steps", "0", "The steps are"),
    ("cut-value", "1.5", "Top-p is a number above 0"), ("guidance", "-1", "The guidance is"),
])  # fmt: skip
def test_settings_out_of_range_get_a_sentence(page, field_name, value, sentence):
    drag(page, (1, 0.2), (1, 0.4))
    page.locator(".cm-cut").select_option("top_p")
    page.locator(f".cm-{field_name}").fill(value)
    page.locator(".cm-do-fill").click()
    shows(page, ".cm-status", sentence)
    assert page.locator(".cm-card").count() == 0


def test_two_people_fill_at_once(pages, example_clips, tmp_path):
    people = pages(example_clips[0]), pages(example_clips[1])
    before = [ids(person, tmp_path) for person in people]
    for person in people:
        person.locator(".cm-prior").select_option("slow")
        drag(person, (2, 0.3), (2, 0.5))
        person.locator(".cm-do-fill").click()
    for person, was in zip(people, before):
        done(person)
        person.get_by_label("Use variation 1").click()
        shows(person, ".cm-status", "Variation 1 is the clip now")
        now = ids(person, tmp_path)
        assert now.shape == was.shape and np.array_equal(now[0], was[0]) and not np.array_equal(now, was)


def test_who_waits_sees_their_place_and_the_seconds_left(pages, example_clips, monkeypatch):
    monkeypatch.setattr(pools.sampling, "workers", 1)
    people = [pages(example_clips[0]) for _ in range(3)]
    for person, steps in zip(people, (4, 60, 4)):
        person.locator(".cm-prior").select_option("slow")
        person.locator("[data-mask=all]").click()
        person.locator(".cm-steps").fill(str(steps))
    people[0].locator(".cm-do-fill").click()
    done(people[0])  # now it is known how long a filling takes
    people[1].locator(".cm-do-fill").click()
    people[1].wait_for_function("document.querySelector('.cm-progress progress').value > 0")
    people[2].locator(".cm-do-fill").click()
    people[0].locator(".cm-do-fill").click()
    shows(people[2], ".cm-progress", re.compile(r"Waiting: you are next, about \d+ s left"))
    shows(people[0], ".cm-progress", re.compile(r"Waiting: 1 before you, about \d+ s left"))
    people[1].locator(".cm-cancel").click()
    done(people[2]), done(people[0])


def test_what_no_page_would_send_gets_a_sentence(app, page):
    seen = []
    listen(page, seen)
    drag(page, (2, 0.3), (2, 0.5))
    page.locator(".cm-do-fill").click()
    done(page)
    good = next(request for request in seen if request["fn_name"] == "fill")
    settings, rectangle = good["data"]["settings"], good["data"]["rectangles"][0]

    def told(**changes) -> str:
        answer = ask_server(app, good | {"data": good["data"] | changes})
        assert answer["ok"] is False
        return answer["error"]

    assert "knows 0, 1, 2" in told(settings=settings | {"labels": {"digit": "12"}})
    assert "it knows digit, speaker" in told(settings=settings | {"labels": {"mood": "good"}})
    assert "No cell is selected" in told(rectangles=[])
    assert "the clip ends at" in told(rectangles=[rectangle | {"end_s": 50.0}])
    assert "There are stages 1 to 4" in told(rectangles=[rectangle | {"stages": "5-5"}])
    for junk in ([[1, 2]], [rectangle] * 20_001, {"start_s": 0}, [rectangle | {"end_s": float("nan")}]):
        assert "A mask is a list of at most 20,000 rectangles" in told(rectangles=junk)
    assert "trained on the codes of x" in told(prior="foreign")
    assert ": toy, slow" in told(prior="nobody")
    assert "no longer kept" in told(token="A" * 32)
    for name in ("progress", "step", "use", "cancel", "new_clip", "put"):
        error = ask_server(app, good | {"fn_name": name, "data": {"token": 5}})["error"]
        assert "does not know" in error or "A prior is the name of one of this app" in error


def test_without_a_prior_the_fields_are_a_sentence(pages, monkeypatch):
    monkeypatch.setenv("VQAUDIO_PRIORS", "")
    page = pages()
    shows(page, ".cm-noprior", "No prior for this codec is installed")
    assert not page.locator(".cm-settings").is_visible()
    drag(page, (1, 0.2), (1, 0.4))
    page.get_by_role("button", name="AI fill").click()
    shows(page, ".cm-status", "No prior for this codec is installed")
    page.get_by_role("toolbar", name="Selection").get_by_role("button", name="Copy").click()
    shows(page, ".cm-status", "Copied")


# --- programs, and how it looks ---------------------------------------------------------------------------------------------


def test_the_endpoints_of_the_priors(app, example_clips, codec):
    from gradio_client import Client, handle_file

    from vqaudio.vqa import read_vqa

    client, clip = Client(app, verbose=False), handle_file(str(example_clips[0]))
    sound, vqa, told = client.predict(labels={"digit": "7"}, seconds=0.5, seed=3, api_name="/generate")
    assert soundfile.info(sound).frames == 4000 and told["seed"] == 3
    whole, _ = client.predict(clip, api_name="/encode")
    area = [{"start_s": 0.1, "end_s": 0.2, "stages": "2-4"}]
    _, vqa, told = client.predict(clip, 0.1, 0.2, "2-", seed=5, api_name="/inpaint")
    before, after = read_vqa(whole, codec), read_vqa(vqa, codec)
    mask = before.region(0.1, 0.2, (1, 2, 3))
    assert torch.equal(before.ids[~mask], after.ids[~mask]) and not torch.equal(before.ids, after.ids)
    assert told["cells_kept"] == told["cells_outside_mask"] == int((~mask).sum())
    _, same, _ = client.predict(clip, rectangles=area, seed=5, api_name="/inpaint")
    assert torch.equal(read_vqa(same, codec).ids, after.ids)
    _, listed, told = client.predict(clip, end_s=0.1, stages="1,3", seed=5, api_name="/inpaint")
    assert told["cells_in_mask"] == 10 and torch.equal(read_vqa(listed, codec).ids[:, 1], before.ids[:, 1])
    score = client.predict(clip, api_name="/score")
    assert score["total_bits"] == pytest.approx(5 * before.ids.numel()) and score["likelihood"] == "exact"
    for changes, sentence in (
        ({"labels": {"digit": "12"}}, "knows 0, 1, 2"), ({"labels": {"mood": "good"}}, "it knows digit, speaker"),
        ({"temperature": 9}, "from 0 to 5"), ({"top_p": 0}, "Top-p is a number above 0"), ({"top_k": -1}, "Top-k is a whole"),
        ({"prior": "foreign"}, "trained on the codes of x"), ({"prior": "nobody"}, ": toy, slow"),
        ({"start_s": None, "end_s": None}, "No cell is selected"), ({"start_s": 0.3}, "start < end"),
        ({"end_s": 50}, "the clip ends at"), ({"stages": "9"}, "There are stages 1 to 4"), ({"stages": "x"}, "a stage such as 3"),
        ({"rectangles": [[0, 1]]}, "A mask is a list of at most"), ({"seed": -1}, "The seed is a whole number"),
    ):
        with pytest.raises(Exception, match=sentence):
            client.predict(clip, **({"start_s": 0.1, "end_s": 0.2} | changes), api_name="/inpaint")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_window(pages, width, theme):
    page = pages(width=width, query=f"__theme={theme}")
    drag(page, (2, 0.3), (2, 0.5))
    page.locator(".cm-do-fill").click()
    done(page)
    page.mouse.move(1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"inpaint-{width}-{theme}.png", full_page=True)
