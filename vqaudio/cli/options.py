"""Help texts of command options."""

import tyro


def arg(help: str, **settings):
    """Annotate an option with its help.

    Args:
        help: sentences. A last one, "Default: ...", explains a default of None; tyro would print the None.
        settings: other arguments of `tyro.conf.arg`.
    """
    text, found, default = help.partition(" Default: ")
    hint = {"help_behavior_hint": f"(default: {default.removesuffix('.')})"} if found else {}
    return tyro.conf.arg(help=text, **hint, **settings)
