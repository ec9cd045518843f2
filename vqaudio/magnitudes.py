"""Base of codecs that decode to STFT magnitudes and find the phases afterwards.

Phases follow from the peaks of the magnitudes and are refined by Griffin and Lim's iterations; see `nn.spectra`.
"""

import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.nn import spectra


class MagnitudeCodec(Codec):
    """A codec whose `synthesise` returns pictures [B, rows, frames].

    A subclass sets `frame_hop` (samples between frames) and `window` (of the STFT), and implements `iterations` and `_spectrum`.
    """

    frame_hop: int
    window: Tensor

    @property
    def iterations(self) -> int:
        """Griffin-Lim iterations."""
        raise NotImplementedError

    def _spectrum(self, picture: Tensor, state) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """A picture -> a complex STFT [B, bins, frames] whose phases continue from `state`, and the new state."""
        raise NotImplementedError

    @property
    def _frames(self) -> int:
        """Frames in a column."""
        return self.hop // self.frame_hop

    @property
    def _sound_reach(self) -> int:
        """Columns on either side that a column's sound depends on: a window an iteration, and half a window."""
        return -(-(2 * self.iterations + 1) * len(self.window) // (2 * self.hop))

    def whole(self, parts: Tensor, valid: Tensor) -> Tensor:
        """The picture of a whole clip -> audio [B, 1, T * hop], block by block."""
        reach, state, spectrum, sound = self._sound_reach, None, [], []
        for part in parts.split(self.block * self._frames, dim=-1):
            made, state = self._spectrum(part, state)
            spectrum.append(made)
        spectrum = torch.cat(spectrum, -1)
        for start in range(0, valid.shape[1], self.block):
            stop = min(start + self.block, valid.shape[1])
            first, last = max(0, start - reach), min(valid.shape[1], stop + reach)
            block = self._sound(spectrum[..., first * self._frames : last * self._frames], valid[:, first:last])
            sound.append(block[..., (start - first) * self.hop : (stop - first) * self.hop])
        return torch.cat(sound, -1)

    def _sound(self, spectrum: Tensor, valid: Tensor) -> Tensor:
        """A complex STFT [B, bins, T * frames], valid [B, T] -> audio [B, 1, T * hop]."""
        inside = valid.repeat_interleave(self._frames, -1)[:, None].float()
        for _ in range(self.iterations):
            spectrum = spectra.refined(spectrum, self.window, self.frame_hop, inside)
        return spectra.synthesis(spectrum, self.window, self.frame_hop, inside)[:, None]
