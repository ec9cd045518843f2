"""The app: `python app.py`, then open the address that it prints."""

from vqaudio.ui.build import LAUNCH, build

demo = build()

if __name__ == "__main__":
    demo.launch(**LAUNCH)
