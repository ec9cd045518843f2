"""`vqaudio listen` in a subprocess, on a machine without a sound card."""

import pytest


def has_sound_card() -> bool:
    try:
        import sounddevice
    except (ImportError, OSError):
        return False
    return len(sounddevice.query_devices()) > 0


def test_the_help_names_the_options(shell):
    done = shell("listen", "--help")
    assert done.returncode == 0
    for option in ("model", "stages", "seconds", "level-db", "record", "input-device", "output-device", "list-devices"):
        assert f"--{option}" in done.stdout


def test_without_a_sound_card_it_says_what_is_missing(shell, model_folder):
    if has_sound_card():
        pytest.skip("this machine has a sound card")
    done = shell("listen", "--model", model_folder)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "pip install" in done.stderr or "PortAudio" in done.stderr
