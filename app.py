"""The app: `python app.py`, then open the address that it prints; `python app.py --help` lists its options."""

from vqaudio import serving

chosen = serving.options() if __name__ == "__main__" else {}

from vqaudio.ui.build import LAUNCH, build  # noqa: E402 - seconds of imports, which --help need not wait for

demo = build()

if __name__ == "__main__":
    serving.serve(demo, **LAUNCH, **chosen)
