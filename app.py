"""Start the app: run `python app.py` and open the address it prints. `python app.py --help` lists the options."""

from vqaudio import serving

chosen = serving.options() if __name__ == "__main__" else {}

if __name__ != "__mp_main__":  # the name of this file in a process that samples, where Python imports it, too
    from vqaudio.ui.build import LAUNCH, build, start_samplers, warm_up  # slow, and --help should not wait for it

    if __name__ == "__main__":
        start_samplers()
    demo = build()

if __name__ == "__main__":
    warm_up()
    serving.serve(demo, **LAUNCH, **chosen)
