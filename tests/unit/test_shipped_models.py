"""Every shipped model gives the ids, the sound and the probabilities that it gave when its record was made.

`python -m tests.unit.test_shipped_models` makes the records again: do it only for new weights. Ids are compared by their share,
not by a hash, because another processor's rounding may move one in some thousands across the border between two codewords.
"""

import hashlib
import json
from pathlib import Path

import pytest
import torch

import vqaudio
from vqaudio import hub
from vqaudio.audio import load

ROOT = Path(__file__).resolve().parents[2]
RECORDS = Path(__file__).with_name("shipped_models.json")
CLIP = ROOT / "assets/examples/7_jackson_0.wav"
CODECS = ("fsdd-8khz", "notes-16khz", "speech-16khz", "voice-16khz")


def describe(name: str) -> dict:
    """A codec's ids and sound of the example, or a prior's log-probability and filling of its codes."""
    torch.manual_seed(0)
    codec = vqaudio.load(name if name in CODECS else next(c for c in CODECS if name.startswith(c)))
    codes = codec.encode(load(CLIP, codec.sample_rate)[0][None])
    if name in CODECS:
        sound = codec.decode(codes)
        ids = codes.ids.to(torch.int32).flatten().tolist()
        digest = hashlib.sha256(codes.ids.to(torch.int32).numpy().tobytes()).hexdigest()[:16]
        return {"fingerprint": codec.fingerprint, "ids": ids, "hash": digest, "sound": sound[0, 0, ::50].tolist()}
    prior = vqaudio.load(name)
    filled = prior.fill(codes, codes.region(0.1, 0.2), generator=torch.Generator().manual_seed(3))
    scored = {} if prior.likelihood == "none" else {"log_prob": float(prior.log_prob(codes).sum())}
    return {"fingerprint": prior.fingerprint, **scored, "filled": filled.ids.flatten().tolist()}


def names() -> list[str]:
    return [name for name in hub.installed() if "judge" not in name and not name.startswith("ask-")]


@pytest.mark.parametrize("name", names())
def test_a_shipped_model_answers_as_it_did(name):
    expected, found = json.loads(RECORDS.read_text())[name], describe(name)
    assert found["fingerprint"] == expected["fingerprint"]
    if name in CODECS:
        same = sum(a == b for a, b in zip(found["ids"], expected["ids"], strict=True)) / len(expected["ids"])
        assert same > 0.99 and (same < 1 or found["hash"] == expected["hash"])
        assert torch.allclose(torch.tensor(found["sound"]), torch.tensor(expected["sound"]), atol=0.02 if same < 1 else 1e-4)
    else:
        assert ("log_prob" in found) == ("log_prob" in expected)
        assert found.get("log_prob", 0) == pytest.approx(expected.get("log_prob", 0), rel=0.01)
        assert len(found["filled"]) == len(expected["filled"])


def main() -> None:
    rounded = {"sound": lambda v: [round(x, 6) for x in v]}
    made = {n: {k: rounded.get(k, lambda v: v)(v) for k, v in describe(n).items()} for n in names()}
    RECORDS.write_text("{\n" + ",\n".join(f'"{n}": {json.dumps(d)}' for n, d in made.items()) + "\n}\n")


if __name__ == "__main__":
    main()
