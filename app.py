"""Start the app: run `python app.py` and open the address it prints. `python app.py --help` lists the options."""

from vqaudio import serving

chosen = serving.options() if __name__ == "__main__" else {}

from vqaudio.ui.build import LAUNCH, build, warm_up  # noqa: E402 - slow imports, which --help should not wait for

demo = build()

if __name__ == "__main__":
    warm_up()
    serving.serve(demo, **LAUNCH, **chosen)
