"""The contract of priors: `fill` masked cells of `Codes`, and score codes.

Generating from nothing is a mask that is all True; continuing is a mask over the end; inpainting is a mask with a gap. This
module checks requests for all priors; a prior implements `_sample` and `_log_prob`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from torch import Tensor

from vqaudio import masks, ranges
from vqaudio.codes import Codes, CodeSpec, Stage, check_density
from vqaudio.errors import InputError
from vqaudio.labels import Labels, clips_in, label_ids
from vqaudio.masks import covers, span_of
from vqaudio.model import Model
from vqaudio.model_files import check_weights
from vqaudio.nn.noise import Noise, gumbel
from vqaudio.nn.transformer import expand_ids
from vqaudio.randomness import Generators, generators_of
from vqaudio.sampling import UNSET, Sampling

MOST_ROWS = 4096
LIKELIHOODS = {  # the values of `Prior.likelihood`, in words
    "exact": "exact",
    "pseudo": "pseudo: each cell given all others",
    "bound": "a lower bound",
    "none": "none: this prior cannot score codes",
}
LocalLabels = Sequence[tuple[Tensor, Labels]]
OnStep = Callable[[int, int, Tensor], None]
Critic = Callable[[Codes], Tensor]


@dataclass(frozen=True)
class PriorConfig:
    """The fields of every prior's configuration.

    `vqaudio train prior` fills in the codec and the defaults.
    """

    module: ranges.Name = ""
    """Module of the model's class; written to config.json."""
    codec_name: ranges.Name = "unnamed"
    codec_fingerprint: ranges.Name = ""
    """`Codec.encoder_fingerprint` of the codec that made the training codes."""
    stages: tuple[tuple[ranges.Bands, ranges.Bands, ranges.Vocab], ...] = ()
    """(bands, steps, vocab) of each stage."""
    frame_rate: Annotated[float, ranges.Range(0.01, 384_000)] = 50.0
    """Columns a second."""
    hop: ranges.Hop = 160
    """Audio samples a column."""
    label_kinds: tuple[ranges.Name, ...] = ()
    label_values: tuple[tuple[ranges.Name, ...], ...] = ()
    """For each kind of label, its values."""
    n_examples: Annotated[int, ranges.Range(0, 100_000_000)] = 0
    """Number of training clips whose lengths, labels and levels are stored, to draw lengths from."""
    has_level: bool = True
    """Whether the codec normalises the level."""
    temperature: ranges.Temperature = 1.0
    """This and the next four: the prior's own `Sampling`, chosen on validation clips."""
    hole_temperature: ranges.Temperature = 1.0
    """The temperature when part of the clip is known, as in inpainting."""
    top_p: ranges.TopP = 1.0
    steps: ranges.Passes | None = None
    guidance: ranges.GuidanceWeight = 1.0
    candidates: ranges.Candidates = field(default=1, metadata={"later": True})
    """Number of new clips to rank with a critic, if there is one; the best is kept. See `vqaudio.critics`."""

    def check_together(self) -> None:
        rows = sum(bands * steps for bands, steps, _ in self.stages)
        if rows > MOST_ROWS:
            raise InputError(f"The stages of a prior have at most {MOST_ROWS} rows together; these have {rows}.")
        check_density(rows, self.frame_rate)
        ranges.check_value("hop times frame_rate", round(self.hop * self.frame_rate), ranges.SampleRate)
        if len(self.label_kinds) != len(self.label_values) or len(set(self.label_kinds)) != len(self.label_kinds):
            raise InputError("Each kind of label needs its own name and one list of values.")


@dataclass(frozen=True)
class SequenceConfig(PriorConfig):
    """The shape of a prior whose layers run over columns."""

    guidance: ranges.GuidanceWeight = 1.5
    dim: ranges.Width = 256
    layers: Annotated[int, ranges.Range(1, 128)] = 4
    heads: Annotated[int, ranges.Range(1, 256)] = 4
    expansion: Annotated[int, ranges.Range(1, 64)] = 3
    """Width of a layer's perceptron, as a multiple of dim."""
    dropout: ranges.Share = 0.1
    label_dropout: ranges.Share = 0.15
    """Share of training clips whose label is dropped, for each kind independently."""
    attention_s: ranges.Seconds | None = None
    """Seconds on either side that a layer's attention sees; None for all. A prior trained on crops needs it for longer clips."""

    def check_together(self) -> None:
        super().check_together()
        if self.dim % (2 * self.heads):
            raise InputError(f"dim is a multiple of twice the heads, here {2 * self.heads}; {self.dim} is not.")

    @property
    def attention_columns(self) -> int | None:
        """Columns on either side that a layer's attention sees."""
        return None if self.attention_s is None else max(1, round(self.attention_s * self.frame_rate))


@dataclass(frozen=True)
class NetworkConfig(SequenceConfig):
    """The shape of a prior that predicts ids, which have tables of vectors."""

    fine_weight: Annotated[float, ranges.Range(0, 10, above=True)] = 0.7
    """Training weight of a stage relative to the next coarser one: fine stages are close to noise."""
    table_dim: ranges.Width | None = None
    """Width of the embedding tables, projected to dim; None for dim. With large codebooks the tables are most of the model,
    and the dimension of the codewords is enough for them."""
    cell_dim: ranges.Width | None = field(default=None, metadata={"later": True})
    """Width of a cell's own vector, for columns with many rows; see `cells`. None sums a column's rows into one vector, which
    suits a single sequence of residual stages."""


class Prior(Model, tags=["audio", "codes", "inpainting"]):
    """Base class of all priors.

    Attributes:
        spec: CodeSpec of the codes that it fills.
        codec_name, codec_fingerprint: the codec that made them; the fingerprint is `Codec.encoder_fingerprint`.
        labels: for each kind of label, its values.
        likelihood: "exact" (log_prob sums to the codes' log-likelihood), "pseudo" (each cell given all others), "bound" (log_prob
            sums to a lower bound of the log-likelihood) or "none" (log_prob raises InputError).
        sees_right: whether the prior uses the cells after a gap.
        summary: a sentence about the class, for the model card.
    """

    summary: str
    likelihood: str
    sees_right: bool

    def __init__(self, config: PriorConfig):
        super().__init__(config)
        self.spec = CodeSpec(tuple(Stage(*stage) for stage in config.stages), config.frame_rate)
        self.codec_name, self.codec_fingerprint = config.codec_name, config.codec_fingerprint
        self.labels = dict(zip(config.label_kinds, config.label_values))
        n = config.n_examples
        self.register_buffer("example_lengths", torch.zeros(n, dtype=torch.int32))  # samples
        self.register_buffer("example_labels", torch.zeros(n, len(self.labels), dtype=torch.int16))
        self.register_buffer("example_levels_db", torch.zeros(n))

    @property
    def sample_rate(self) -> int:
        """Hz of the codec's audio."""
        return round(self.config.hop * self.spec.frame_rate)

    @torch.no_grad()
    def fill(
        self, codes: Codes, mask: Tensor, labels: Labels | None = None, *, sampling: Sampling | None = None,
        local_labels: LocalLabels = (), generator: Generators | None = None, on_step: OnStep | None = None,
        critic: Critic | None = None, **settings,
    ) -> Codes:
        """Write the cells where the mask is True; all others stay as they are.

        In a long clip the prior sees the part around these cells, so the cost follows the gap and not the clip.

        Args:
            codes: [B, K, T] of the prior's codec.
            mask: bool [B, K, T]. If no cell is selected, the codes come back unchanged.
            labels: for a kind of label one value, or one a clip; a kind that is missing is left open. They describe the whole
                clip, known cells too.
            sampling: settings as one object.
            settings: single settings by keyword, in place of those in `sampling`: temperature, top_k, top_p, steps, guidance; see
                `Sampling`. None is the prior's own, `default_sampling`.
            local_labels: pairs of a mask (bool [B, K, T]) and labels of its cells in place of `labels`: what a region is to
                become. A kind that is missing stays as in `labels`, and the value None leaves it open; where two overlap, the
                later pair wins.
            generator: all randomness; None for a fresh one. With a list of one generator a clip, clips with the same cells to
                write, or with all of them, come out as they would alone; for codes of one clip, n generators give n variations.
            on_step: called as on_step(done, total, ids [B, K, T]) after each step, on the device of the codes; a cell still to
                be written is -1. An exception from it ends the sampling and leaves the codes unchanged.
            critic: scores clips, [B]. The best of `candidates` for each clip is kept; until then `on_step` gets the first.

        Returns:
            Codes of the same shape; of n clips for n variations.

        Raises:
            InputError: codes of another codec, a mask of the wrong shape, an unknown label, or a setting out of range.
        """
        self.check_codes(codes)
        masks.check(codes, mask)
        sampling = self.sampling(covers(mask, codes), Sampling(**settings).over(sampling or UNSET))
        ids, generators = self.cell_label_ids(codes, labels, local_labels), generators_of(generator, len(codes))
        if len(codes) == 1:
            codes, mask, ids = (repeated(part, len(generators)) for part in (codes, mask, ids))
        mask = masks.cells(codes, mask)
        if not mask.any():
            return codes
        with torch.inference_mode():  # thousands of small operations: each is quicker in it
            filled = self._filled(codes, mask, ids, sampling, generators, on_step, critic)
        return replace(codes, ids=torch.where(mask, filled.to(codes.ids.dtype), codes.ids))

    def _filled(self, codes, mask, labels, sampling, generators, on_step, critic) -> Tensor:
        """Ids [B, K, T] of the whole clips with the mask's cells written, given the window around them."""
        frame = context_window(span_of(mask), codes.columns, self.spec.frame_rate)
        window, before = self.window(mask, codes.valid, frame), codes.ids.long()
        gap = Gap.of(codes, mask, labels, window, self.example_lengths.device)
        own = codes.valid[:, frame].sum(1).clamp_min(1).tolist()
        noise = Noise.of(generators, own, frame.stop - frame.start, gap.ids.device, window.start - frame.start)

        def whole(ids: Tensor) -> Tensor:
            known = before.repeat_interleave(len(ids) // len(before), 0)
            return torch.cat([known[..., : window.start], ids.to(known), known[..., window.stop :]], dim=-1)

        report = (lambda done, total, ids: on_step(done, total, whole(ids))) if on_step else lambda done, total, ids: None
        if critic is None:
            return whole(self._sample(gap, sampling, noise, report))
        n = self.config.candidates
        report = BestOf(n, report)
        drawn = self._sample(gap.repeated(n), sampling, noise.repeated(n), report)
        return whole(report.chosen(drawn, critic(codes.repeated(n, whole(drawn)))))

    def window(self, mask: Tensor, valid: Tensor, frame: slice) -> slice:
        """The columns of a frame that a fill reads.

        Those with cells to write, and those that influence them.
        """
        span, reach = span_of(mask), self.reach(mask, valid)
        if reach is None:
            return frame
        return slice(max(frame.start, span.start - reach[0]), min(frame.stop, span.stop + reach[1]))

    def reach(self, mask: Tensor, valid: Tensor) -> tuple[int, int] | None:
        """Columns before and after the cells to write that influence them; None for all."""
        return None

    def default_sampling(self, generating: bool = True) -> Sampling:
        """The prior's own sampling settings, chosen on validation clips.

        Args:
            generating: from nothing; False when part of a clip is known.
        """
        c = self.config
        temperature = c.temperature if generating else c.hole_temperature
        return Sampling(temperature, None, c.top_p, c.steps, c.guidance)

    def sampling(self, generating: bool, asked: Sampling) -> Sampling:
        """The settings asked for, with the prior's own in place of None.

        Raises InputError if one is out of range.
        """
        return asked.over(self.default_sampling(generating))

    @torch.no_grad()
    def log_prob(self, codes: Codes, labels: Labels | None = None, local_labels: LocalLabels = ()) -> Tensor:
        """The natural log of each cell's probability; see `likelihood`.

        Args:
            codes: [B, K, T] of the prior's codec.
            labels, local_labels: as for `fill`.

        Returns:
            [B, K, T] in nats; 0 in padding.

        Raises:
            InputError: codes of another codec, an unknown label, or a prior whose likelihood is "none".
        """
        self.check_likelihood()
        self.check_codes(codes)
        device = self.example_lengths.device
        labels = self.cell_label_ids(codes, labels, local_labels).to(device)
        ids, valid = codes.ids.long().to(device), codes.valid.to(device)
        return self._log_prob(ids * valid[:, None], valid, labels) * valid[:, None]

    def check_likelihood(self) -> None:
        """Raise InputError if this prior cannot score codes."""
        if self.likelihood == "none":
            raise InputError(f"The prior {self.name!r} cannot score codes: it has no likelihood. Choose another prior.")

    def blank(self, labels: Labels | None = None, seconds: float | None = None, generator: Generators | None = None) -> Codes:
        """Codes of zeros to generate into.

        They have the length and level of a random training clip with these labels.

        Args:
            labels: as for `fill`; a list of values gives as many clips.
            seconds: length of every clip, above 0 and at most 30; None draws it.
            generator: as for `fill`; a list gives as many clips.

        Raises:
            InputError: an unknown label, a length out of range, or a prior that was not trained.
        """
        if seconds is not None and not 0 < seconds <= LONGEST_S:
            raise InputError(f"A clip can be generated with more than 0 and at most {LONGEST_S} seconds; not {seconds}.")
        n = clips_in(labels)
        generators = generators_of(generator, n)
        n = max(n, len(generators))
        each = generators * n if len(generators) == 1 else generators
        chosen = torch.tensor([self._example_like(*pair) for pair in zip(self.label_ids(labels, n), each)])
        lengths = self.example_lengths.cpu()[chosen].long().clamp(1, round(LONGEST_S * self.sample_rate))
        if seconds is not None:
            lengths = torch.full((n,), max(1, round(seconds * self.sample_rate)))
        columns = (lengths + self.config.hop - 1) // self.config.hop
        valid = torch.arange(int(columns.max()))[None] < columns[:, None]
        levels = self.example_levels_db.cpu()[chosen] if self.config.has_level else None
        ids = torch.zeros(n, self.spec.rows, valid.shape[1], dtype=torch.long)
        return Codes(ids, self.spec, lengths, valid, levels)

    def check_codes(self, codes: Codes) -> None:
        """Raise InputError unless codes have the spec of this prior's codec."""
        self.check_precision()
        check_weights(self, self.name)
        if codes.spec != self.spec:
            raise InputError(
                f"The prior {self.name!r} fills codes of the codec {self.codec_name!r}; these have other stages or another "
                "frame rate."
            )
        codes.check_range()

    def check_codec(self, codec) -> None:
        """Raise InputError unless this prior was trained on the codec's codes."""
        if codec.spec != self.spec or codec.encoder_fingerprint != self.codec_fingerprint:
            raise InputError(
                f"The prior {self.name!r} was trained on codes of the codec {self.codec_name!r}; "
                f"{codec.name!r} is another codec, or the same with another encoder or codebooks."
            )

    def label_ids(self, labels: Labels | None, n: int) -> Tensor:
        """Positions of labels in their lists of values, int64 [n, kinds].

        See `vqaudio.labels.label_ids`.
        """
        return label_ids(self.labels, labels, n)

    def cell_label_ids(self, codes: Codes, labels: Labels | None, local_labels: LocalLabels = ()) -> Tensor:
        """Label ids [B, kinds]; with local labels, of each cell: [B, kinds, K, T].

        See `fill`.
        """
        ids = self.label_ids(labels, len(codes))
        if not local_labels:
            return ids
        ids = ids[:, :, None, None].repeat(1, 1, *codes.ids.shape[1:])
        for mask, local in local_labels:
            if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
                raise InputError(f"Labels of a region need a bool matrix of the codes' shape {list(codes.ids.shape)}.")
            here = self.label_ids(local, len(codes))[:, :, None, None]
            kinds = torch.tensor([kind in local for kind in self.labels], dtype=torch.bool)[None, :, None, None]
            ids = torch.where(kinds & mask.cpu()[:, None], here, ids)
        return ids

    def remember(self, lengths: Tensor, labels: Tensor, level_db: Tensor | None) -> None:
        """Store the training clips' lengths, labels and levels, for `blank`.

        lengths [n] in samples, labels [n, kinds], level_db [n].
        """
        self.example_lengths.copy_(lengths)
        self.example_labels.copy_(labels)
        if level_db is not None:
            self.example_levels_db.copy_(level_db)

    def start_from(self, codewords: list[Tensor]) -> None:
        """Initialise the prior from the codec's codewords, if it has a use for them.

        They are [V, D] of each row.
        """

    def _example_like(self, label_ids: Tensor, generator: torch.Generator) -> int:
        """The number of a random training clip with these labels; of any clip if none has them."""
        if not len(self.example_lengths):
            raise InputError(f"The prior {self.name!r} has no training clips to take a length and a level from: train it first.")
        is_open = label_ids == torch.tensor([len(values) for values in self.labels.values()])
        fits = ((self.example_labels.cpu() == label_ids) | is_open).all(-1).nonzero()[:, 0]
        fits = fits if len(fits) else torch.arange(len(self.example_lengths))
        return int(fits[torch.randint(len(fits), (1,), generator=generator)])

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        """The training loss: mean negative log-likelihood in nats a cell.

        A prior without a likelihood has a different loss.

        Args:
            ids: [B, K, T].
            valid: bool [B, T].
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
            cut: [B, 2] columns of each clip that were cut off before and after these; None for whole clips.
        """
        raise NotImplementedError

    def _sample(self, gap: "Gap", sampling: Sampling, noise: Noise, report: OnStep) -> Tensor:
        """Ids [B, K, T] of the gap's window with its cells written."""
        raise NotImplementedError

    def _log_prob(self, ids: Tensor, valid: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError


LONGEST_S = 30.0
FRAME_S, MARGIN_S = 10.0, 2.0  # seconds of a long clip that a fill reads: in all, and at least on either side of the gap


@dataclass(frozen=True)
class Gap:
    """Cells to write, and the window of the clips that the prior sees.

    All tensors are on the prior's device.

    Attributes:
        ids: int64 [B, K, T] of the window.
        hole: bool [B, K, T], the cells to write; none is padding.
        valid: bool [B, T].
        labels: [B, kinds], or [B, kinds, K, T] of each cell.
        cut: [B, 2] columns of each clip before and after the window.
    """

    ids: Tensor
    hole: Tensor
    valid: Tensor
    labels: Tensor
    cut: Tensor

    @classmethod
    def of(cls, codes: Codes, mask: Tensor, labels: Tensor, window: slice, device: torch.device) -> "Gap":
        """Cut a window out of codes."""
        cut = torch.stack([codes.valid[:, : window.start].sum(1), codes.valid[:, window.stop :].sum(1)], 1)
        labels = labels if labels.ndim == 2 else labels[..., window]
        parts = codes.ids[..., window].long(), mask[..., window], codes.valid[:, window], labels, cut
        return cls(*(part.to(device) for part in parts))

    def repeated(self, n: int) -> "Gap":
        """n copies of each clip in a row."""
        return Gap(*(part.repeat_interleave(n, 0) for part in vars(self).values()))

    @property
    def span(self) -> slice:
        """The columns from the first with a cell to write to the last."""
        return span_of(self.hole)


def context_window(span: slice, columns: int, frame_rate: float) -> slice:
    """The part of a clip that a fill of these columns reads.

    FRAME_S seconds, or more if the span needs it.
    """
    width = span.stop - span.start
    most = math.ceil(max(FRAME_S, width / frame_rate + 2 * MARGIN_S) * frame_rate)
    start = max(0, min(span.start - (most - width) // 2, columns - most))
    return slice(start, min(start + most, columns))


def repeated(x, n: int):
    """n copies of one clip: of its codes, or of a tensor [1, ...]."""
    if isinstance(x, Codes):
        return x.repeated(n, x.ids.repeat_interleave(n, 0))
    return x.repeat_interleave(n, 0)


class BestOf:
    """Reports the steps of n candidates a clip.

    The first candidate while they are sampled, then the chosen one.
    """

    def __init__(self, n: int, report: OnStep):
        self.n, self.report, self.total = n, report, 0

    def __call__(self, done: int, total: int, ids: Tensor) -> None:
        self.total = total
        if done < total:  # after the last step comes the choice
            self.report(done, total, ids[:: self.n])

    def chosen(self, ids: Tensor, scores: Tensor) -> Tensor:
        """The candidate of each clip with the highest score.

        ids [B * n, K, T], scores [B * n].
        """
        best = scores.view(-1, self.n).argmax(1).to(ids.device)
        best_ids = ids[best + self.n * torch.arange(len(best), device=ids.device)]
        self.report(self.total, self.total, best_ids)
        return best_ids


def draw(
    logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None, noise: Tensor | None = None
) -> Tensor:
    """Sample ids [...] from logits [..., V].

    Temperature, then top-k, then top-p, then the Gumbel-max trick.

    Args:
        logits: [..., V].
        sampling: a temperature of None is 1.
        generator: draws the noise if none is given.
        noise: Gumbel noise of the logits' shape; not used at temperature 0.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    if sampling.temperature not in (None, 1):
        logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p is not None and sampling.top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        p = ordered.softmax(-1)
        ordered = ordered.masked_fill(p.cumsum(-1) - p >= sampling.top_p, -torch.inf)
        logits = torch.empty_like(logits).scatter(-1, order, ordered)
    return (logits + (gumbel(logits.shape, generator).to(logits.device) if noise is None else noise)).argmax(-1)


class Guidance:
    """Classifier-free guidance (Ho and Salimans 2022, equation 6).

    u + weight * (c - u), c with the labels and u without.

    The two passes of a model are one pass of twice the batch; a pass that does not matter is left out.

    Attributes:
        labels: [times * B, ...] for the pass.
        times: how often everything else is repeated for it; see `repeated`.
    """

    def __init__(self, labels: Tensor, unconditional: Tensor, weight: float):
        """Prepare a pass.

        Args:
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
            unconditional: [kinds], the ids of open labels.
            weight: `Sampling.guidance`.
        """
        without = expand_ids(unconditional, labels)
        both = weight not in (0, 1) and not bool((labels == without).all())
        self.labels = torch.cat([labels, without]) if both else without if weight == 0 else labels
        self.times, self.weight = 1 + both, weight

    def repeated(self, x: Tensor) -> Tensor:
        """[B, ...] -> [times * B, ...]."""
        return x if self.times == 1 else x.repeat(self.times, *[1] * (x.ndim - 1))

    def __call__(self, logits: Tensor) -> Tensor:
        """[times * B, ..., V] -> [B, ..., V]."""
        if self.times == 1:
            return logits
        conditional, without = logits.chunk(2)
        return torch.where(conditional.isinf(), conditional, without + self.weight * (conditional - without))
