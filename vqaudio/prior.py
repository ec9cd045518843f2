"""What every prior must do: `fill` the cells of `Codes` where a mask is True, and say how likely each cell is.

Generating from nothing is a mask that is all True; continuing is a mask over the end; inpainting is a mask with a hole. What
is asked is checked here, once for all priors; a prior implements `_sample` and `_log_prob`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from torch import Tensor

from vqaudio import ranges
from vqaudio.codes import Codes, CodeSpec, Stage, check_density
from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.model_files import check_weights
from vqaudio.nn.noise import Noise, gumbel
from vqaudio.nn.transformer import spread_over

MOST_ROWS = 4096
Labels = dict[str, str | Sequence[str]]
LocalLabels = Sequence[tuple[Tensor, Labels]]
OnStep = Callable[[int, int, Tensor], None]
Generators = torch.Generator | Sequence[torch.Generator]
Critic = Callable[[Codes], Tensor]


@dataclass(frozen=True)
class PriorConfig:
    """What every prior's configuration holds: the codec whose codes it knows. Filled in by `vqaudio train prior`."""

    module: ranges.Name = ""
    """Where the model's class lives; written to config.json."""
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
    """Training clips whose lengths, labels and levels are kept, to draw lengths from."""
    has_level: bool = True
    """Whether the codec keeps a level beside the codes."""
    temperature: ranges.Temperature = 1.0
    """This and the next four: how the prior samples where nobody says otherwise, chosen on validation; see `Sampling`."""
    hole_temperature: ranges.Temperature = 1.0
    """The temperature where some of the clip is known, as in inpainting."""
    top_p: ranges.TopP = 1.0
    steps: ranges.Passes | None = None
    guidance: ranges.GuidanceWeight = 1.0
    candidates: ranges.Candidates = field(default=1, metadata={"later": True})
    """Of so many new clips that one is kept which a critic likes best, where there is one; see `vqaudio.critics`."""

    def check_together(self) -> None:
        rows = sum(bands * steps for bands, steps, _ in self.stages)
        if rows > MOST_ROWS:
            raise InputError(f"The stages of a prior have at most {MOST_ROWS} rows together; these have {rows}.")
        check_density(rows, self.frame_rate)
        ranges.check_value("hop times frame_rate", round(self.hop * self.frame_rate), ranges.SampleRate)
        if len(self.label_kinds) != len(self.label_values) or len(set(self.label_kinds)) != len(self.label_kinds):
            raise InputError("Each kind of label needs a name of its own, and one list of values.")


@dataclass(frozen=True)
class Sampling:
    """How cells are drawn.

    Attributes:
        temperature: the logits are divided by it; 0 takes the likeliest.
        top_k: only so many of the likeliest; None for all.
        top_p: only the likeliest that together have this probability; None or 1 for all.
        steps: a prior's own measure of effort; None where it has none.
        guidance: logits are u + guidance * (c - u), c with the labels and u without (Ho and Salimans 2022, equation 6).
    """

    temperature: ranges.Temperature = 1.0
    top_k: ranges.TopK | None = None
    top_p: ranges.TopP | None = None
    steps: ranges.Passes | None = None
    guidance: ranges.GuidanceWeight = 1.0

    def __post_init__(self):
        ranges.check(self)


@dataclass(frozen=True)
class NetworkConfig(PriorConfig):
    """The shape of a prior that is made of these layers."""

    guidance: ranges.GuidanceWeight = 1.5
    dim: ranges.Width = 256
    layers: Annotated[int, ranges.Range(1, 128)] = 4
    heads: Annotated[int, ranges.Range(1, 256)] = 4
    expansion: Annotated[int, ranges.Range(1, 64)] = 3
    """Width of a layer's perceptron, in dims."""
    dropout: ranges.Share = 0.1
    label_dropout: ranges.Share = 0.15
    """Share of training clips that are not told a kind of label, each kind by itself."""
    fine_weight: Annotated[float, ranges.Range(0, 10, above=True)] = 0.7
    """In training a cell counts this much of one in the next coarser stage: fine stages are close to noise."""
    table_dim: ranges.Width | None = None
    """Width of the tables of ids, between which and dim a matrix turns; None for dim. With large codebooks the tables are most
    of the model, and the codewords' own dimension is enough for them."""
    attention_s: ranges.Seconds | None = None
    """Seconds on either side that a layer's attention sees; None for all. What is trained on crops needs it for longer clips."""

    cell_dim: ranges.Width | None = field(default=None, metadata={"later": True})
    """Width of a cell's own vector, for columns of many rows: bands, and levels of them; see `cells`. None: a column's rows are
    added up in one vector, as suits one sequence of residual stages."""

    def check_together(self) -> None:
        super().check_together()
        if self.dim % (2 * self.heads):
            raise InputError(f"dim is a multiple of twice the heads, here {2 * self.heads}; {self.dim} is not.")

    @property
    def attention_columns(self) -> int | None:
        """Columns on either side that a layer's attention sees."""
        return None if self.attention_s is None else max(1, round(self.attention_s * self.frame_rate))


class Prior(Model, tags=["audio", "codes", "inpainting"]):
    """Base of all priors.

    Attributes:
        spec: CodeSpec of the codes that it fills.
        codec_name, codec_fingerprint: the codec that made them; the fingerprint is of what determines the codes.
        labels: for each kind of label, its values.
        likelihood: "exact" (log_prob's sum is the codes' log-likelihood) or "pseudo" (each cell given all others).
        sees_right: whether a hole is filled in view of what follows it.
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
        self, codes: Codes, mask: Tensor, labels: Labels | None = None, *, temperature: float | None = None,
        top_k: int | None = None, top_p: float | None = None, steps: int | None = None, guidance: float | None = None,
        local_labels: LocalLabels = (), generator: Generators | None = None, on_step: OnStep | None = None,
        critic: Critic | None = None,
    ) -> Codes:
        """Write the cells where the mask is True; all others, and padding, stay as they are.

        Of a long clip the prior sees the part around these cells, so that the cost follows the gap and not the clip.

        Args:
            mask: bool [B, K, T]. With no cell selected the codes come back as they are.
            labels: for a kind of label its value, or one a clip; a kind that is missing is left open. They describe the whole
                clip, known cells too.
            local_labels: pairs of a mask (bool [B, K, T]) and labels of its cells in place of `labels`: what a region is to
                become. A kind that is missing stays as it is in `labels`, and the value None leaves it open; the later pair
                wins where two overlap.
            temperature, top_k, top_p, steps, guidance: see `Sampling`; None for the prior's own, `default_sampling`.
            generator: all randomness; None for a fresh one. A list holds one generator a clip, and clips with the same cells
                to write, or all of them, come out as they would alone; for codes of one clip, n generators give n variations.
            on_step: called as on_step(done, total, ids [B, K, T]) after each step, on the device of the codes; a cell still to
                be written is -1. What it raises ends the sampling; the codes given are never changed.
            critic: scores clips, [B]. `candidates` of each are drawn, and the best is kept; until it is chosen, `on_step` gets
                the first.

        Raises:
            InputError: codes of another codec, a mask of the wrong shape, an unknown label, or a setting out of range.
        """
        self.check_codes(codes)
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
            raise InputError(f"The mask is a bool matrix of the codes' shape {list(codes.ids.shape)}.")
        asked = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "steps": steps, "guidance": guidance}
        sampling = self.sampling(covers(mask, codes), **asked)
        told, generators = self.told(codes, labels, local_labels), generators_of(generator, len(codes))
        if len(codes) == 1:
            codes, mask, told = (repeated(part, len(generators)) for part in (codes, mask, told))
        mask = mask.to(codes.ids.device) & codes.valid[:, None]
        if not mask.any():
            return codes
        with torch.inference_mode():  # thousands of small operations: each is quicker in it
            filled = self._filled(codes, mask, told, sampling, generators, on_step, critic)
        return replace(codes, ids=torch.where(mask, filled.to(codes.ids.dtype), codes.ids))

    def _filled(self, codes, mask, labels, sampling, generators, on_step, critic) -> Tensor:
        """Ids [B, K, T] of the whole clips with the mask's cells written, in view of the window around them."""
        frame = frame_around(span_of(mask), codes.columns, self.spec.frame_rate)
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
        report = FirstOf(n, report)
        drawn = self._sample(gap.repeated(n), sampling, noise.repeated(n), report)
        return whole(report.chosen(drawn, critic(codes.repeated(n, whole(drawn)))))

    def window(self, mask: Tensor, valid: Tensor, frame: slice) -> slice:
        """The columns of a frame that a fill works on: those with cells to write, and what has a say in them."""
        span, reach = span_of(mask), self.reach(mask, valid)
        if reach is None:
            return frame
        return slice(max(frame.start, span.start - reach[0]), min(frame.stop, span.stop + reach[1]))

    def reach(self, mask: Tensor, valid: Tensor) -> tuple[int, int] | None:
        """How many columns before and after the cells to write have a say in them; None for all."""
        return None

    def default_sampling(self, generating: bool = True) -> Sampling:
        """How `fill` samples where it is not told otherwise, chosen on validation clips.

        Args:
            generating: from nothing; False where some of a clip is known.
        """
        c = self.config
        temperature = c.temperature if generating else c.hole_temperature
        return Sampling(temperature, None, c.top_p, c.steps, c.guidance)

    def sampling(self, generating: bool = True, **settings) -> Sampling:
        """The default sampling with these settings changed; one that is None stays. Raises InputError: out of range."""
        return replace(self.default_sampling(generating), **{k: value for k, value in settings.items() if value is not None})

    @torch.no_grad()
    def log_prob(self, codes: Codes, labels: Labels | None = None, local_labels: LocalLabels = ()) -> Tensor:
        """The natural log of each cell's probability, [B, K, T]; 0 in padding. `likelihood` says what it is given."""
        self.check_codes(codes)
        device = self.example_lengths.device
        told = self.told(codes, labels, local_labels).to(device)
        ids, valid = codes.ids.long().to(device), codes.valid.to(device)
        return self._log_prob(ids * valid[:, None], valid, told) * valid[:, None]

    def blank(self, labels: Labels | None = None, seconds: float | None = None, generator: Generators | None = None) -> Codes:
        """Codes of zeros to generate into: as long, and as loud, as a training clip with these labels, drawn at random.

        Args:
            labels: as for `fill`; a list of values gives as many clips.
            seconds: length of every clip; None draws it.
            generator: as for `fill`; a list gives as many clips.
        """
        if seconds is not None and not 0 < seconds <= LONGEST_S:
            raise InputError(f"A clip can be generated with more than 0 and at most {LONGEST_S} seconds; not {seconds}.")
        n = max([1, *(len(value) for value in (labels or {}).values() if not isinstance(value, str | None))])
        generators = generators_of(generator, n)
        n = max(n, len(generators))
        told = self.label_ids(labels, n)
        each = generators * n if len(generators) == 1 else generators
        chosen = torch.tensor([self._example_like(*pair) for pair in zip(told, each)])
        lengths = self.example_lengths.cpu()[chosen].long().clamp(1, round(LONGEST_S * self.sample_rate))
        if seconds is not None:
            lengths = torch.full((n,), max(1, round(seconds * self.sample_rate)))
        columns = (lengths + self.config.hop - 1) // self.config.hop
        valid = torch.arange(int(columns.max()))[None] < columns[:, None]
        levels = self.example_levels_db.cpu()[chosen] if self.config.has_level else None
        ids = torch.zeros(n, self.spec.rows, valid.shape[1], dtype=torch.long)
        return Codes(ids, self.spec, lengths, valid, levels)

    def check_codes(self, codes: Codes) -> None:
        """Raise InputError unless these codes have the shape that this prior's codec makes."""
        self.check_precision()
        check_weights(self, self.name)
        if codes.spec != self.spec:
            raise InputError(
                f"The prior {self.name!r} fills codes of the codec {self.codec_name!r}; these have other stages or another "
                "frame rate."
            )
        codes.check_range()

    def check_codec(self, codec) -> None:
        """Raise InputError unless the codec makes the very codes that this prior was trained on."""
        if codec.spec != self.spec or codec.encoder_fingerprint != self.codec_fingerprint:
            raise InputError(
                f"The prior {self.name!r} was trained on codes of the codec {self.codec_name!r}; "
                f"{codec.name!r} is another codec, or the same with another encoder or codebooks."
            )

    def label_ids(self, labels: Labels | None, n: int) -> Tensor:
        """Labels in words -> positions [n, kinds] in their lists; a kind that is not told is the number of its values."""
        unknown = set(labels or {}) - set(self.labels)
        if unknown:
            raise InputError(f"There is no label {unknown.pop()!r}; known are {', '.join(self.labels) or 'none'}.")
        told = torch.empty(n, len(self.labels), dtype=torch.long)
        for i, (kind, values) in enumerate(self.labels.items()):
            given = (labels or {}).get(kind)
            given = [given] * n if given is None or isinstance(given, str) else list(given)
            if len(given) != n:
                raise InputError(f"Give one {kind} for all clips, or one a clip: {n}, not {len(given)}.")
            for b, value in enumerate(given):
                if value is not None and value not in values:
                    raise InputError(f"There is no {kind} {value!r}; known are {', '.join(values)}.")
                told[b, i] = len(values) if value is None else values.index(value)
        return told

    def told(self, codes: Codes, labels: Labels | None, local_labels: LocalLabels = ()) -> Tensor:
        """As `label_ids`, [B, kinds]; with labels of regions, of each cell: [B, kinds, K, T]. See `fill`."""
        told = self.label_ids(labels, len(codes))
        if not local_labels:
            return told
        told = told[:, :, None, None].repeat(1, 1, *codes.ids.shape[1:])
        for mask, local in local_labels:
            if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
                raise InputError(f"Labels of a region need a bool matrix of the codes' shape {list(codes.ids.shape)}.")
            here = self.label_ids(local, len(codes))[:, :, None, None]
            kinds = torch.tensor([kind in local for kind in self.labels], dtype=torch.bool)[None, :, None, None]
            told = torch.where(kinds & mask.cpu()[:, None], here, told)
        return told

    def remember(self, lengths: Tensor, labels: Tensor, level_db: Tensor | None) -> None:
        """Keep the training clips' lengths [n] in samples, labels [n, kinds] and levels, for `blank`."""
        self.example_lengths.copy_(lengths)
        self.example_labels.copy_(labels)
        if level_db is not None:
            self.example_levels_db.copy_(level_db)

    def start_from(self, codewords: list[Tensor]) -> None:
        """Before training: the codec's codewords, [V, D] of each row, for a prior that can make use of them."""

    def _example_like(self, told: Tensor, generator: torch.Generator) -> int:
        """The number of a training clip that has these labels, where there is one."""
        if not len(self.example_lengths):
            raise InputError(f"The prior {self.name!r} remembers no training clips: give the number of seconds.")
        known = torch.tensor([len(values) for values in self.labels.values()])
        fits = ((self.example_labels.cpu() == told) | (told == known)).all(-1).nonzero()[:, 0]
        fits = fits if len(fits) else torch.arange(len(self.example_lengths))
        return int(fits[torch.randint(len(fits), (1,), generator=generator)])

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        """Mean negative log-likelihood in nats a cell, for training: ids [B, K, T], valid [B, T].

        Args:
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
            cut: [B, 2] how many columns of each clip were cut off before and behind these; None for whole clips.
        """
        raise NotImplementedError

    def _sample(self, gap: "Gap", sampling: Sampling, noise: Noise, report: OnStep) -> Tensor:
        """Ids [B, K, T] of the gap's window with its hole written."""
        raise NotImplementedError

    def _log_prob(self, ids: Tensor, valid: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError


LONGEST_S = 30.0
FRAME_S, MARGIN_S = 10.0, 2.0  # how much of a long clip a fill may look at: in all, and at least on either side of the gap


@dataclass(frozen=True)
class Gap:
    """Cells to write, and the part of the clips that a prior sees of them, on the prior's device.

    Attributes:
        ids: int64 [B, K, T] of the window.
        hole: bool [B, K, T], the cells to write; none is padding.
        valid: bool [B, T].
        labels: [B, kinds], or [B, kinds, K, T] of each cell.
        cut: [B, 2] how many columns of each clip come before and after the window.
    """

    ids: Tensor
    hole: Tensor
    valid: Tensor
    labels: Tensor
    cut: Tensor

    @classmethod
    def of(cls, codes: Codes, mask: Tensor, labels: Tensor, window: slice, device: torch.device) -> "Gap":
        """What a window of these codes holds."""
        cut = torch.stack([codes.valid[:, : window.start].sum(1), codes.valid[:, window.stop :].sum(1)], 1)
        labels = labels if labels.ndim == 2 else labels[..., window]
        parts = codes.ids[..., window].long(), mask[..., window], codes.valid[:, window], labels, cut
        return cls(*(part.to(device) for part in parts))

    def repeated(self, n: int) -> "Gap":
        """n of each clip, side by side."""
        return Gap(*(part.repeat_interleave(n, 0) for part in vars(self).values()))

    @property
    def span(self) -> slice:
        """The columns from the first with a cell to write to the last."""
        return span_of(self.hole)


def span_of(cells: Tensor) -> slice:
    """The columns of bool [B, K, T] from the first that has any of these cells to the last; there must be one."""
    columns = cells.flatten(0, 1).any(0).nonzero()[:, 0]
    return slice(int(columns[0]), int(columns[-1]) + 1)


def frame_around(span: slice, columns: int, frame_rate: float) -> slice:
    """The part of a clip of so many columns that has a say in these: FRAME_S seconds, or more where they need it."""
    width = span.stop - span.start
    most = math.ceil(max(FRAME_S, width / frame_rate + 2 * MARGIN_S) * frame_rate)
    start = max(0, min(span.start - (most - width) // 2, columns - most))
    return slice(start, min(start + most, columns))


def repeated(x, n: int):
    """n copies of one clip: of its codes, or of a tensor [1, ...]."""
    if isinstance(x, Codes):
        return x.repeated(n, x.ids.repeat_interleave(n, 0))
    return x.repeat_interleave(n, 0)


def generators_of(generator: Generators | None, clips: int) -> list[torch.Generator]:
    """One generator for all clips, or one for each. Raises InputError: another number of them."""
    if generator is None or isinstance(generator, torch.Generator):
        return [generator or _fresh_generator()]
    if not generator or (clips != 1 and len(generator) not in (1, clips)):
        raise InputError(f"Give one generator for all clips, or one a clip: {clips}, not {len(generator)}.")
    return list(generator)


def seeded(first: int, n: int) -> list[torch.Generator]:
    """The generators of n variations: the first has this seed, the next one the next, so that each can be drawn alone."""
    return [torch.Generator().manual_seed(seed) for seed in range(first, first + n)]


def covers(mask: Tensor, codes: Codes) -> bool:
    """Whether the mask [B, K, T] leaves no cell of the codes known."""
    return bool((mask | ~codes.valid[:, None].to(mask.device)).all())


class FirstOf:
    """Of n candidates for each clip, which are sampled side by side, `report` is told the first; in the end the chosen one."""

    def __init__(self, n: int, report: OnStep):
        self.n, self.report, self.total = n, report, 0

    def __call__(self, done: int, total: int, ids: Tensor) -> None:
        self.total = total
        if done < total:  # after the last step comes the choice
            self.report(done, total, ids[:: self.n])

    def chosen(self, ids: Tensor, scores: Tensor) -> Tensor:
        """For each clip the one of its candidates, ids [B * n, K, T], with the highest of the scores [B * n]."""
        best = scores.view(-1, self.n).argmax(1).to(ids.device)
        found = ids[best + self.n * torch.arange(len(best), device=ids.device)]
        self.report(self.total, self.total, found)
        return found


def _fresh_generator() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


def draw(
    logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None, noise: Tensor | None = None
) -> Tensor:
    """Logits [..., V] -> ids [...]: temperature, then top-k, then top-p, then the Gumbel-max trick.

    Args:
        generator: draws the noise where none is given.
        noise: Gumbel noise of the logits' shape; at temperature 0 there is no need of it.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    if sampling.temperature != 1:
        logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p is not None and sampling.top_p < 1:
        ordered, places = logits.sort(dim=-1, descending=True)
        p = ordered.softmax(-1)
        ordered = ordered.masked_fill(p.cumsum(-1) - p >= sampling.top_p, -torch.inf)
        logits = torch.empty_like(logits).scatter(-1, places, ordered)
    return (logits + (gumbel(logits.shape, generator).to(logits.device) if noise is None else noise)).argmax(-1)


class Guidance:
    """Classifier-free guidance (Ho and Salimans 2022, equation 6): what a pass of a model is told, and one answer from its two.

    A pass with and one without the labels is one pass of twice the batch; where one of them has no say, it is left out.

    Attributes:
        labels: [times * B, ...] for the pass.
        times: how often everything else is to be repeated for it; see `repeated`.
    """

    def __init__(self, labels: Tensor, untold: Tensor, weight: float):
        """labels [B, kinds], or of each cell; `untold` [kinds]: what stands for labels not told; weight: see `Sampling`."""
        without = spread_over(untold, labels)
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
        told, without = logits.chunk(2)
        return torch.where(told.isinf(), told, without + self.weight * (told - without))
