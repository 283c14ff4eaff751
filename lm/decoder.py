r"""A causal decoder: the language model that is trained on its own text.

Pre-norm blocks with RMS norms, rotary positions, causal attention and a squared-ReLU MLP, and one embedding for
reading and for predicting. A window of $L$ tokens is read as the start token and its first $L-1$ tokens, and
all its $L$ tokens are predicted; the start token itself has probability 0 everywhere.

Weights are a tree of float32 arrays, apart from the record of the sizes: whatever trains, samples or scores takes
`Shape` and weights, and puts them together inside what it compiles (`assembled`). The layers are stacked, the
leading axis of their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from modelcollapse.theory import arguments as arg

START = 0  # token id that begins every window, unseen in text
UNROLLED = 4  # layers that are compiled side by side: a loop over every layer trains 15 % slower on a processor

Cache: TypeAlias = list[tuple[jax.Array, jax.Array]]


class Attention(StrEnum):
    """How the attention of a whole window is computed; the numbers are the same up to rounding."""

    PLAIN = "plain"  # two matrix products and a softmax: anywhere
    CUDNN = "cudnn"  # the fused kernel of cuDNN, which never stores the L x L weights: NVIDIA, bfloat16


@dataclass(frozen=True)
class Shape:
    r"""The sizes of a decoder, all that has to be known to compile it.

    ``vocabulary`` V: token ids, the start token among them. ``width`` D, ``layers``, ``heads``: D is divisible by
    heads, and the size of a head is even (rotary positions turn pairs). ``length`` L: tokens in a window. ``dtype``
    of the matrix products, float32 or bfloat16; None: bfloat16 on an accelerator, float32 on a processor. Weights,
    norms, attention weights and logits are float32 in any case.

    Raises InputError where the sizes do not fit together.

    >>> Shape(vocabulary=129).parameters
    156160
    >>> Shape(vocabulary=50_304, width=768, layers=12, heads=12, length=1024).parameters
    123587328
    """

    vocabulary: int
    width: int = 64
    layers: int = 3
    heads: int = 4
    length: int = 64
    dtype: DTypeLike | None = None
    attention: Attention = Attention.PLAIN

    def __post_init__(self) -> None:
        for name, least in (("vocabulary", 2), ("width", 2), ("layers", 1), ("heads", 1), ("length", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise arg.refuse("Shape", name, value, f"{name} is a whole number, at least {least}")
            object.__setattr__(self, name, int(value))
        if self.width % (2 * self.heads):
            remedy = f"a head needs an even share of the width: make it a multiple of {2 * self.heads}"
            raise arg.refuse("Shape", "width", self.width, remedy)
        if self.dtype is not None:
            if self.dtype not in ("float32", "bfloat16", jnp.float32, jnp.bfloat16):
                raise arg.refuse(
                    "Shape", "dtype", self.dtype, "float32, bfloat16, or None for what the device is good at"
                )
            object.__setattr__(self, "dtype", jnp.dtype(self.dtype))
        if not isinstance(self.attention, Attention):
            raise arg.refuse("Shape", "attention", self.attention, "pass Attention.PLAIN or Attention.CUDNN")
        if self.attention is Attention.CUDNN and self.dtype == jnp.float32:
            raise arg.refuse("Shape", "dtype", "float32", "the kernel of cuDNN takes bfloat16")

    @property
    def compute(self) -> np.dtype:
        """The type of the matrix products."""
        if self.dtype is not None:
            return jnp.dtype(self.dtype)
        return jnp.dtype(jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16)

    @property
    def parameters(self) -> int:
        r"""Number of weights: $VD$ in the embedding, $12 D^2 + 2D$ in a layer, $D$ in the last norm."""
        return self.vocabulary * self.width + self.layers * (12 * self.width**2 + 2 * self.width) + self.width

    @property
    def flops(self) -> int:
        r"""Floating-point operations of a training step for each token.

        $6$ for every weight in a product, and $12 L D$ in each layer: attention is counted as if it were not causal
        (Chowdhery et al. 2022, PaLM, appendix B).
        """
        products = self.vocabulary * self.width + self.layers * 12 * self.width**2
        return 6 * products + 12 * self.layers * self.length * self.width

    @property
    def rows(self) -> int:
        """Windows that are scored at once: at most 256, and at most 2^28 logits (a gigabyte), a power of two."""
        most = max(1, 2**28 // (self.length * self.vocabulary))
        return min(256, 1 << (most.bit_length() - 1))


def rotated(x: jax.Array, position: jax.Array) -> jax.Array:
    r"""Rotary positions: pair $i$ of a head turned by the angle $t \, 10000^{-2i/h}$ (Su et al. 2021).

    ``x`` (..., T, H, h) in float32, ``position`` (T,). Products of a turned query and a turned key depend on the
    distance of their positions alone.

    >>> float(rotated(jnp.array([[[1.0, 0.0]]]), jnp.array([np.pi]))[0, 0, 0])
    -1.0
    """
    half = x.shape[-1] // 2
    rate = jnp.asarray(10_000.0 ** (-np.arange(half) / half), jnp.float32)
    angle = position.astype(jnp.float32)[:, None, None] * rate
    even, odd = x[..., :half], x[..., half:]
    return jnp.concatenate(
        [even * jnp.cos(angle) - odd * jnp.sin(angle), even * jnp.sin(angle) + odd * jnp.cos(angle)], -1
    )


def attended(query: jax.Array, key: jax.Array, value: jax.Array, seen: jax.Array) -> jax.Array:
    r"""Attention $\mathrm{softmax}(q k^\top / \sqrt h) v$ over the positions that are seen.

    ``query`` (N, T, h), ``key`` and ``value`` (N, S, h), one N for each head of each window; ``seen`` (T, S).
    """
    scale = query.shape[-1] ** -0.5
    score = jnp.einsum("nth,nsh->nts", query * scale, key, preferred_element_type=jnp.float32)
    score = jnp.where(seen, score, -jnp.inf)
    weight = jnp.exp(score - jax.lax.stop_gradient(score.max(-1, keepdims=True)))
    total = weight.sum(-1, keepdims=True)
    mixed = jnp.einsum("nts,nsh->nth", weight.astype(value.dtype), value, preferred_element_type=jnp.float32)
    return (mixed / total).astype(value.dtype)


class Block(nnx.Module):
    """One layer: attention, then an MLP four times as wide, each added to what came in. Begins as the identity."""

    def __init__(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.shape = shape
        norm = partial(nnx.RMSNorm, shape.width, dtype=shape.compute, param_dtype=jnp.float32, rngs=rngs)
        linear = partial(nnx.Linear, use_bias=False, dtype=shape.compute, param_dtype=jnp.float32, rngs=rngs)
        inwards, outwards = nnx.initializers.normal(shape.width**-0.5), nnx.initializers.zeros
        self.attention_norm, self.mlp_norm = norm(), norm()
        self.qkv = linear(shape.width, 3 * shape.width, kernel_init=inwards)
        self.out = linear(shape.width, shape.width, kernel_init=outwards)
        self.up = linear(shape.width, 4 * shape.width, kernel_init=inwards)
        self.down = linear(4 * shape.width, shape.width, kernel_init=outwards)

    def __call__(self, x: jax.Array) -> jax.Array:
        """All positions of all windows: rows (B L, D) to (B L, D). One axis of rows makes the gradients 1.4 times as fast."""
        length = self.shape.length
        qkv = self._heads(x, jnp.arange(length))
        if self.shape.attention is Attention.CUDNN:
            mixed = jax.nn.dot_product_attention(*qkv, is_causal=True, implementation="cudnn")
        else:
            query, key, value = (part.swapaxes(1, 2).reshape(-1, length, part.shape[-1]) for part in qkv)
            mixed = attended(query, key, value, jnp.tri(length, dtype=bool))
            mixed = mixed.reshape(-1, self.shape.heads, *mixed.shape[1:]).swapaxes(1, 2)
        return self._mlp(x + self.out(mixed.reshape(x.shape)))

    def extend(self, x: jax.Array, cached: tuple[jax.Array, jax.Array], position: jax.Array) -> tuple[jax.Array, Any]:
        """One position, (B, D) to (B, D), with the keys and values (B H, L, h) of those before, and its own put in."""
        query, key, value = (part.reshape(-1, 1, part.shape[-1]) for part in self._heads(x, position[None]))
        keys, values = (
            jax.lax.dynamic_update_slice_in_dim(old, new, position, axis=1)
            for old, new in zip(cached, (key, value), strict=True)
        )
        mixed = attended(query, keys, values, jnp.arange(keys.shape[1])[None] <= position)
        return self._mlp(x + self.out(mixed.reshape(x.shape))), (keys, values)

    def _heads(self, x: jax.Array, position: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Queries, keys and values (B, T, H, h) at positions (T,), the first two turned."""
        heads, compute = self.shape.heads, self.shape.compute
        parts = self.qkv(self.attention_norm(x)).reshape(-1, len(position), 3 * heads, self.shape.width // heads)
        turned = rotated(parts[:, :, : 2 * heads].astype(jnp.float32), position).astype(compute)
        return turned[:, :, :heads], turned[:, :, heads:], parts[:, :, 2 * heads :]

    def _mlp(self, x: jax.Array) -> jax.Array:
        """Squared ReLU (So et al. 2021): as fast as ReLU, and as good as GELU here."""
        return x + self.down(jnp.square(jax.nn.relu(self.up(self.mlp_norm(x)))))


class Decoder(nnx.Module):
    r"""The decoder: logits of the next token at every position of a window.

    At the start its blocks are the identity and its embedding has standard deviation $2/D$: the logit of the token
    just read is then about 2 and all others have variance $4/D$, whatever the sizes, so that its first loss is close
    to $\log(V-1)$.
    """

    def __init__(self, shape: Shape, rngs: nnx.Rngs) -> None:
        self.shape = shape
        self.embedding = nnx.Param(
            nnx.initializers.normal(2 / shape.width)(rngs.params(), (shape.vocabulary, shape.width), jnp.float32)
        )
        stacked = nnx.vmap(lambda rngs: Block(shape, rngs), in_axes=0, out_axes=0)
        self.blocks = nnx.split_rngs(splits=shape.layers)(stacked)(rngs)
        self.norm = nnx.RMSNorm(shape.width, dtype=shape.compute, param_dtype=jnp.float32, rngs=rngs)

    def __call__(self, windows: jax.Array) -> jax.Array:
        """Logits (B, L, V) of the tokens of the windows (B, L), each given those before it."""
        return self.logits(self.hidden(windows)).reshape(*windows.shape, -1)

    def hidden(self, windows: jax.Array) -> jax.Array:
        """What the logits are read from, rows (B L, D)."""
        read = jnp.pad(windows[:, :-1], ((0, 0), (1, 0)), constant_values=START).reshape(-1)
        graph, layers = nnx.split(self.blocks)
        x, _ = jax.lax.scan(
            lambda x, layer: (nnx.merge(graph, layer)(x), None), self._read(read), layers, unroll=UNROLLED
        )
        return self.norm(x)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """Logits of rows, (rows, D) to (rows, V) in float32; that of the start token is minus infinity."""
        table = self.embedding[...].astype(self.shape.compute)
        logits = jnp.einsum("nd,vd->nv", hidden, table, preferred_element_type=jnp.float32)
        return jnp.where(jnp.arange(self.shape.vocabulary) == START, -jnp.inf, logits)

    def cache(self, batch: int) -> Cache:
        """Room for the keys and values of a batch, (B H, L, h) for each layer."""
        room = (batch * self.shape.heads, self.shape.length, self.shape.width // self.shape.heads)
        return [(jnp.zeros(room, self.shape.compute),) * 2 for _ in range(self.shape.layers)]

    def extend(self, token: jax.Array, cache: Cache, position: jax.Array) -> tuple[jax.Array, Cache]:
        """Logits (B, V) after one more token (B,) at this position, and the cache with it."""
        x, (graph, layers), kept = self._read(token), nnx.split(self.blocks), []
        for at, cached in enumerate(cache):
            block = nnx.merge(graph, jax.tree.map(lambda leaf, at=at: leaf[at], layers))
            x, cached = block.extend(x, cached, position)
            kept.append(cached)
        return self.logits(self.norm(x)), kept

    def _read(self, tokens: jax.Array) -> jax.Array:
        return self.embedding[...][tokens].astype(self.shape.compute)


def fresh(shape: Shape, key: jax.Array) -> Any:
    """Random weights of a decoder of this shape: a tree of float32 arrays.

    >>> sum(leaf.size for leaf in jax.tree.leaves(fresh(Shape(16, width=8, layers=2), jax.random.key(0))))
    1704
    """
    return _drawn(shape, key)


@partial(jax.jit, static_argnums=0)
def _drawn(shape: Shape, key: jax.Array) -> Any:
    return nnx.state(Decoder(shape, nnx.Rngs(key)), nnx.Param)


def assembled(shape: Shape, params: Any) -> Decoder:
    """The decoder of this shape with these weights; to be called inside what is compiled."""
    return nnx.merge(_graph(shape), params)


@cache
def _graph(shape: Shape) -> Any:
    """What a decoder is apart from its weights."""
    return nnx.graphdef(nnx.eval_shape(lambda: Decoder(shape, nnx.Rngs(0))))
