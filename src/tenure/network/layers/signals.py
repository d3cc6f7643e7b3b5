"""Layers on signals and spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import layout, ops, signal, sizes
from tenure.network.dims import BATCH, FEATURE, Dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import dynamic, made, same
from tenure.network.layers.windows import Window, out_dims
from tenure.network.tensor import Tensor
from tenure.network.tf.elementwise import safe_log


def positive(layer: Layer, **options: Any) -> None:
    """Raises if an option is no positive number."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**24:
            raise layer.error(name, value, "a positive number is needed")


class SignalLayer(Layer):
    """What layers on sequences of features have in common."""

    def frames(self, x: Tensor) -> Tensor:
        """[B, T, F]."""
        x = x.batch_first().feature_last()
        if x.ndim != 3 or x.batch_axis != 0 or x.feature_axis != 2:
            raise self.error("from", self.node.get("from"), f"[batch, time, features] is needed, not {x!r}")
        return x

    def features(self, size: int, given: Dim | None = None) -> Dim:
        """The dim of the output's features, of that size."""
        n_out = self.node.get("n_out")
        if n_out is not None and n_out != size:
            raise self.error("n_out", n_out, f"the options make it {size}")
        return made(self, "{}:feature-dense", size, given or self.node.get("out_dim"), FEATURE)


@layer("stft")
class STFT(SignalLayer):
    """The short-time Fourier transform of a signal, with a Hann window.

    Input [B, T] or [B, T, 1], output [B, (T - frame_size) / frame_shift + 1, fft_size / 2 + 1], complex.
    """

    def forward(
        self,
        source: Tensor,
        *,
        frame_shift: int,
        frame_size: int,
        fft_size: int | None = None,
        in_spatial_dims: Any = None,
        out_spatial_dims: Any = None,
        use_time_mask: bool = False,
    ) -> Tensor:
        fft = fft_size or frame_size
        positive(self, frame_shift=frame_shift, frame_size=frame_size, fft_size=fft)
        x = source
        if x.feature_axis is not None and x.shape[x.feature_axis] == 1:
            rest = [i for i in range(x.ndim) if i != x.feature_axis]
            x = x.with_dims(jnp.squeeze(x.data, x.feature_axis), [x.dims[i] for i in rest], origin=rest)
        at: int | None = self.axis(x, in_spatial_dims[0]) if in_spatial_dims else x.time_axis
        if at is None or x.batch_axis is None:
            raise self.error("from", self.node.get("from"), f"a batch of signals is needed, not {source!r}")
        if use_time_mask:
            x = ops.masked(x, x.dims[at], 0)
        x = x.move_axis(at, -1)
        window = Window((frame_size,), (frame_shift,), (1,), "VALID")
        (time,) = out_dims(self, window, [x.dims[-1]], out_spatial_dims)
        data = signal.stft(x.data, frame_size, frame_shift, fft)
        channel = made(self, "{}:channel", fft // 2 + 1, self.node.get("out_dim"), FEATURE)
        return Tensor(data, (*x.dims[:-1], time, channel))


@layer("istft")
class InverseSTFT(SignalLayer):
    """The signal [B, T, 1] of spectra that `stft` gave.

    Input [B, T, fft_size / 2 + 1], output [B, (T - 1) frame_shift + frame_size, 1].
    Source: Griffin and Lim 1984, "Signal estimation from modified short-time Fourier transform".
    """

    def forward(
        self,
        source: Tensor,
        *,
        frame_shift: int,
        frame_size: int,
        fft_size: int | None = None,
        in_spatial_dims: Any = None,
        out_spatial_dims: Any = None,
        use_time_mask: bool = False,
    ) -> Tensor:
        fft = fft_size or frame_size
        positive(self, frame_shift=frame_shift, frame_size=frame_size, fft_size=fft)
        x = source.feature_last()
        at = self.axis(x, in_spatial_dims[0]) if in_spatial_dims else x.time_axis
        if at is None or x.feature_axis is None or x.shape[-1] != fft // 2 + 1:
            raise self.error("from", self.node.get("from"), f"{fft // 2 + 1} frequencies are needed, not {source!r}")
        x = x.move_axis(at, -2)
        x = self.beyond(x, [x.ndim - 2], 0)
        data = signal.inverse_stft(x.data, frame_size, frame_shift, fft)[..., None]
        old = x.dims[-2]
        time = (old * frame_shift if frame_shift != 1 else old) + (frame_size - frame_shift)
        time = same(time, out_spatial_dims[0] if out_spatial_dims else None)
        channel = made(self, "{}:channel", 1, self.node.get("out_dim"), FEATURE)
        return Tensor(data, (*x.dims[:-2], time, channel))


@layer("multichannel_multiresolution_stft_layer")
class MultiChannelSTFT(SignalLayer):
    """Spectra of all channels of a signal [B, T, channels], with windows of several sizes, side by side.

    Output [B, T', channels * sum of (fft_size / 2 + 1)], T' the number of windows.
    """

    def forward(
        self,
        source: Tensor,
        *,
        frame_shift: int,
        frame_sizes: Sequence[int],
        fft_sizes: Sequence[int],
        window: str = "hanning",
        use_rfft: bool = True,
        nr_of_channels: int = 1,
        pad_last_frame: bool = False,
    ) -> Tensor:
        return self.spectra(
            source, frame_shift, frame_sizes, fft_sizes, window, use_rfft, nr_of_channels, pad_last_frame
        )

    def spectra(
        self, source: Tensor, shift: int, frames: Any, ffts: Any, window: str, rfft: bool, channels: int, pad: bool
    ) -> Tensor:
        """The output for these options."""
        x = self.frames(source)
        if not isinstance(frames, (list, tuple)) or not isinstance(ffts, (list, tuple)) or len(frames) != len(ffts):
            raise self.error("frame_sizes", frames, "as many window sizes as transform sizes are needed")
        for size, fft in zip(frames, ffts, strict=True):
            positive(self, frame_shift=shift, frame_sizes=size, fft_sizes=fft)
        if not rfft:
            raise self.error("use_rfft", rfft, "real signals are transformed as such")
        if x.shape[-1] != channels:
            raise self.error("nr_of_channels", channels, f"{source!r} has {x.shape[-1]}")
        x = self.beyond(x, [1], 0 if pad else 1e-7)
        parts, count = [], None
        for size, fft in zip(frames, ffts, strict=True):
            longer = max(0, size - frames[0])
            data = jnp.pad(x.data, ((0, 0), (0, longer), (0, 0)), constant_values=1e-7)
            y = signal.stft(jnp.swapaxes(data, 1, 2), size, shift, fft, window, pad)
            y = jnp.swapaxes(y, 1, 2)
            y = y.reshape(*y.shape[:2], channels * y.shape[3])
            count = y.shape[1] if count is None else count
            parts.append(y[:, :count])
        data = jnp.concatenate(parts, axis=2)
        lengths = sizes.current().lengths(x.dims[1])
        if lengths is None:
            time = made(self, "{}:MultiChannelMultiResolutionStft", data.shape[1])
        else:
            extra = (-1, 2) if pad else (0, 1)
            new = ops.map1(lambda n: (n - frames[0] + extra[0]) // shift + extra[1], lengths)
            time = dynamic(self, "{}:MultiChannelMultiResolutionStft", new, None, data.shape[1])
        return Tensor(data, (x.dims[0], time, self.features(data.shape[2])))


@layer("multichannel_stft_layer")
class MultiChannelOneSTFT(MultiChannelSTFT):
    """Spectra of all channels of a signal [B, T, channels], side by side.

    Output [B, T', channels * (fft_size / 2 + 1)], T' the number of windows.
    """

    def forward(  # type: ignore[override]
        self,
        source: Tensor,
        *,
        frame_shift: int,
        frame_size: int,
        fft_size: int,
        window: str = "hanning",
        use_rfft: bool = True,
        nr_of_channels: int = 1,
        pad_last_frame: bool = False,
    ) -> Tensor:
        return self.spectra(
            source, frame_shift, [frame_size], [fft_size], window, use_rfft, nr_of_channels, pad_last_frame
        )


@layer("mel_filterbank")
class MelFilterbank(SignalLayer):
    """Energies in bands that are evenly spaced in mel.

    Input [B, T, fft_size / 2 + 1], output [B, T, nr_of_filters].
    Source: Davis and Mermelstein 1980; bands as in Huang, Acero and Hon 2001, equation 6.141.
    """

    def forward(
        self,
        source: Tensor,
        *,
        sampling_rate: float = 16000,
        fft_size: int = 1024,
        nr_of_filters: int = 80,
        f_min: float | None = None,
        f_max: float | None = None,
    ) -> Tensor:
        x = self.frames(source)
        positive(self, fft_size=fft_size, nr_of_filters=nr_of_filters)
        table = signal.mel_filters(f_min or 0, f_max or sampling_rate / 2, sampling_rate, fft_size, nr_of_filters)
        if len(table) != x.shape[-1]:
            raise self.error("fft_size", fft_size, f"it makes {len(table)} frequencies, and {source!r} has others")
        return x.replace_dim(2, self.features(nr_of_filters)).like(x.data @ jnp.asarray(table))


@layer("dct")
class DCT(SignalLayer):
    """The discrete cosine transform of the features.

    Input [B, …, F], output the same axes.
    Source: Ahmed et al. 1974, "Discrete cosine transform".
    """

    def forward(self, source: Tensor, *, type: int = 2, n: int | None = None, norm: str | None = None) -> Tensor:
        if n is not None:
            raise self.error("n", n, "only transforms of all features are known")
        x = source.batch_first().feature_last()
        if x.feature_axis is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        return x.like(signal.dct(x.data, type, norm))


@layer("alternating_real_to_complex")
class AlternatingRealToComplex(SignalLayer):
    """Even features as real parts, odd ones as imaginary parts.

    Input [B, T, 2 F], output [B, T, F], complex.
    """

    def forward(self, source: Tensor) -> Tensor:
        x = self.frames(source)
        if x.shape[-1] % 2:
            raise self.error("from", self.node.get("from"), f"an even number of features is needed, not {source!r}")
        self.feature_out()
        data = x.data[..., ::2] + 1j * x.data[..., 1::2]
        return x.replace_dim(2, self.features(x.shape[-1] // 2)).like(data)


@layer("complex_to_alternating_real")
class ComplexToAlternatingReal(SignalLayer):
    """Real and imaginary parts as features in turn.

    Input [B, T, F], complex, output [B, T, 2 F].
    """

    def forward(self, source: Tensor) -> Tensor:
        x = self.frames(source)
        data = jnp.stack([jnp.real(x.data), jnp.imag(x.data)], axis=-1).reshape(*x.shape[:2], -1)
        return x.replace_dim(2, self.features(data.shape[-1])).like(data)


@layer("complex_linear_projection")
class ComplexLinearProjection(SignalLayer):
    """The log magnitude of a complex product with `clp_kernel` [2, in // 2, out]: Variani et al. 2016.

    Input [B, T, 2 F] (real and imaginary parts in turn), output [B, T, nr_of_filters].
    """

    def forward(self, source: Tensor, *, nr_of_filters: int, clp_weights_init: Any = "glorot_uniform") -> Tensor:
        x = self.frames(source)
        positive(self, nr_of_filters=nr_of_filters)
        kernel = self.param("clp_kernel", (2, x.shape[-1] // 2, nr_of_filters), clp_weights_init)
        real, imaginary = x.data[..., ::2], x.data[..., 1::2]
        a, b = real @ kernel[0] - imaginary @ kernel[1], imaginary @ kernel[0] + real @ kernel[1]
        square = a**2 + b**2
        magnitude = jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)  # no gradient, instead of NaN, at 0
        return x.replace_dim(2, self.features(nr_of_filters)).like(safe_log(magnitude))


@layer("first_t_frames_noise_estimator")
class NoiseEstimator(SignalLayer):
    """The mean of the first frames, at each frame; -1 stands for all frames.

    Input [B, T, F], output the same axes.
    """

    def forward(self, source: Tensor, *, nr_of_frames: int) -> Tensor:
        x = self.frames(source)
        self.feature_out()
        n = x.shape[1] if nr_of_frames == -1 else sizes.at_most(nr_of_frames, x.shape[1])
        counts = jnp.arange(n)[:, None] < (n if self.takes_padding_in else layout.ends(x.dims[1], x.dims))
        first = jnp.where(counts, x.data[:, :n], 0)
        mean = jnp.sum(first, axis=1, keepdims=True) / jnp.maximum(jnp.sum(counts, axis=-2, keepdims=True), 1)
        return x.like(jnp.broadcast_to(mean, x.shape))


@layer("signal_masking")
class SignalMasking(Layer):
    """A signal times a mask.

    `signal` and `mask` [B, T, F], output the same axes.
    """

    def forward(self, *, signal: Tensor, mask: Tensor) -> Tensor:
        x = signal.batch_first()
        return x.like(x.data * ops.aligned(mask, x.dims).astype(x.dtype))


@layer("tile_features")
class TileFeatures(SignalLayer):
    """The features several times over.

    Input [B, T, F], output [B, T, repetitions * F].
    """

    def forward(self, source: Tensor, *, repetitions: int = 1) -> Tensor:
        x = self.frames(source)
        positive(self, repetitions=repetitions)
        return x.replace_dim(2, self.features(x.shape[-1] * repetitions)).like(jnp.tile(x.data, (1, 1, repetitions)))


@layer("split_concatenated_multichannel")
class SplitConcatenatedMultichannel(SignalLayer):
    """Channels that lie side by side in the features, as sequences of their own in the batch.

    Input [B, T, channels * F], output [B * channels, T, F].
    """

    def forward(self, source: Tensor, *, nr_of_channels: int = 1) -> Tensor:
        x = self.frames(source)
        positive(self, nr_of_channels=nr_of_channels)
        if x.shape[-1] % nr_of_channels:
            raise self.error("nr_of_channels", nr_of_channels, f"it does not divide the features of {source!r}")
        b, t, f = x.shape
        data = x.data.reshape(b, t, nr_of_channels, f // nr_of_channels)
        data = jnp.swapaxes(data, 1, 2).reshape(b * nr_of_channels, t, f // nr_of_channels)
        known = sizes.current()
        batch = Dim(None, f"{x.dims[0].name}*channels", kind=BATCH, op=("channels", x.dims[0], nr_of_channels))
        known.declare(batch, b * nr_of_channels)
        time = made(self, "{}:time", t if x.dims[1].root.size is not None else None)
        lengths = known.lengths(x.dims[1])
        if time.root.size is None:
            repeated = (
                None
                if lengths is None
                else Tensor(jnp.repeat(lengths.data[:, None], nr_of_channels, axis=1).reshape(-1), (batch,))
            )
            known.declare(time.root, t, repeated)
        return Tensor(data, (batch, time, self.features(f // nr_of_channels)))
