"""`Sampling`: the settings that decide how a prior draws codewords."""

from dataclasses import dataclass, fields, replace

from vqaudio import ranges


@dataclass(frozen=True)
class Sampling:
    """How codewords are drawn. A setting that is None is left to the prior."""

    temperature: ranges.Temperature | None = None
    """Divides the logits: above 1 for bolder results, below 1 for safer ones, 0 for the most likely codeword."""
    top_k: ranges.TopK | None = None
    """Sample from the k most likely codewords only."""
    top_p: ranges.TopP | None = None
    """Sample from the most likely codewords that together have this probability; 1 for all."""
    steps: ranges.Passes | None = None
    """Passes of the masked prior, Gibbs sweeps, or steps of the diffusion."""
    guidance: ranges.GuidanceWeight | None = None
    """Weight of classifier-free guidance: how strongly the labels pull; 1 is as trained."""

    def over(self, defaults: "Sampling") -> "Sampling":
        """These settings, with `defaults` in place of those that are None.

        Raises:
            InputError: a setting of a wrong type or out of range.
        """
        ranges.check(self)
        return replace(defaults, **{name: value for name, value in vars(self).items() if value is not None})


UNSET = Sampling()
NAMES = tuple(field.name for field in fields(Sampling))
