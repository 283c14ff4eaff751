"""A decoder reads what came before, says how likely each token is, and starts by knowing nothing."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse.lm.decoder import START, Attention, Shape, assembled, fresh, rotated
from modelcollapse.lm.likelihood import cross_entropy, log_likelihood, loss, next_token
from modelcollapse.theory.arguments import InputError

TINY = Shape(vocabulary=11, width=16, layers=2, heads=2, length=8)
EPS = 2.0**-23  # of float32


def jiggled(shape: Shape, seed: int, size: float = 0.3) -> jax.Array:
    """Weights at which every layer does something: fresh ones are the identity."""
    leaves, tree = jax.tree.flatten(fresh(shape, jax.random.key(seed)))
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    moved = [a + size * jax.random.normal(k, a.shape, a.dtype) for a, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, moved)


PARAMS = jiggled(TINY, 0)
logits = jax.jit(lambda params, windows: assembled(TINY, params)(windows))


def windows(n: int, shape: Shape = TINY, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, shape.vocabulary, (n, shape.length)).astype(np.int32)


def test_a_later_token_does_not_move_an_earlier_logit_by_a_single_bit() -> None:
    before = windows(4)
    first = np.asarray(logits(PARAMS, before))
    for at in range(TINY.length):
        after = before.copy()
        after[:, at] = after[:, at] % (TINY.vocabulary - 1) + 1
        second = np.asarray(logits(PARAMS, after))
        assert np.array_equal(first[:, : at + 1], second[:, : at + 1])
        if at + 1 < TINY.length:
            assert (first[:, at + 1, 1:] != second[:, at + 1, 1:]).any(axis=-1).all(), "and what is read is used"


def test_the_order_of_the_tokens_read_matters() -> None:
    before = windows(1)
    swapped = before[:, [1, 0, *range(2, TINY.length)]]
    assert (before[0, 0] != before[0, 1]) and not np.array_equal(
        logits(PARAMS, before)[0, 2], logits(PARAMS, swapped)[0, 2]
    )


def test_the_cache_gives_the_logits_of_the_whole_window_up_to_rounding() -> None:
    """Both are sums of the same products in another order. A sum of K terms, each of size s, is off by at most K eps s;
    L positions, 4 D hidden units and 2 layers give fewer than 4 D (layers + 1) terms one after the other."""
    text = windows(4)
    whole = np.asarray(logits(PARAMS, text))

    @jax.jit
    def stepwise(params: jax.Array, text: jax.Array) -> jax.Array:
        decoder = assembled(TINY, params)
        read = jnp.pad(text[:, :-1], ((0, 0), (1, 0)), constant_values=START)
        cache, out = decoder.cache(len(text)), []
        for at in range(TINY.length):
            one, cache = decoder.extend(read[:, at], cache, jnp.int32(at))
            out.append(one)
        return jnp.stack(out, axis=1)

    cached = np.asarray(stepwise(PARAMS, text))
    size = np.abs(whole[..., 1:]).max()
    assert np.abs(cached[..., 1:] - whole[..., 1:]).max() <= 4 * TINY.width * (TINY.layers + 1) * EPS * size
    assert size > 1, "and the logits are not all zero"


@pytest.mark.parametrize("width", [16, 128])
def test_the_first_loss_is_close_to_the_logarithm_of_the_number_of_tokens(width: int) -> None:
    r"""A fresh decoder is a table: blocks are the identity and z_v = x . e_v, |x| = sqrt(D), e_v ~ N(0, 4/D^2).

    The mean over all targets of loss - log(V-1) is the log-mean-exp of the centred logits: at least 0 (Jensen), and
    at most about half their variance, 4/D, plus (e^2 - 3)/(V-1) for the token just read, whose logit is near 2 and which
    is one of V - 1. Twice that is allowed for the next orders and the chance of the draw.
    """
    shape = Shape(vocabulary=129, width=width, layers=1, heads=2, length=16)
    params = fresh(shape, jax.random.key(3))
    seen = jax.jit(lambda params, windows: assembled(shape, params)(windows))(params, windows(8, shape))[..., 1:]
    excess = float(jnp.mean(jax.nn.logsumexp(seen, -1) - seen.mean(-1))) - math.log(128)
    assert 0 < excess < 2 * (2 / width + (math.e**2 - 3) / 128)


def test_the_blocks_of_a_fresh_decoder_are_the_identity_and_its_norms_leave_lengths_one() -> None:
    params = fresh(TINY, jax.random.key(0))
    table = params["embedding"][...]
    read = jnp.pad(windows(2)[:, :-1], ((0, 0), (1, 0)))
    x = table[read]
    x = x / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
    found = np.asarray(logits(params, windows(2)))[..., 1:]
    assert np.abs(found - (x @ table.T)[..., 1:]).max() <= TINY.width * EPS * np.abs(found).max()


def test_the_start_token_is_never_predicted_and_probabilities_sum_to_one() -> None:
    assert np.all(np.asarray(logits(PARAMS, windows(2)))[..., START] == -np.inf)
    p = next_token(TINY, PARAMS, windows(5)[:, :3])
    assert p.shape == (5, TINY.vocabulary) and p.dtype == np.float32
    assert np.all(p[:, START] == 0) and np.abs(p.sum(1) - 1).max() <= TINY.vocabulary * EPS


def test_the_log_likelihood_of_a_window_is_the_sum_of_its_next_token_distributions() -> None:
    text = windows(3)
    steps = [next_token(TINY, PARAMS, text[:, :at])[np.arange(3), text[:, at]] for at in range(TINY.length)]
    found = log_likelihood(TINY, PARAMS, text)
    assert found.dtype == np.float64 and found.shape == (3,)
    assert np.abs(found - np.log(steps).sum(0)).max() <= 4 * TINY.width * TINY.length * EPS * np.abs(found).max()
    assert loss(TINY, PARAMS, text) == -found.mean() / TINY.length


def test_a_score_does_not_depend_on_the_batch_it_is_in() -> None:
    text = windows(7)
    alone = log_likelihood(TINY, PARAMS, text, batch=2)
    rounding = 4 * TINY.width * TINY.length * EPS * np.abs(alone).max()
    assert np.abs(log_likelihood(TINY, PARAMS, text, batch=4) - alone).max() <= rounding
    assert log_likelihood(TINY, PARAMS, text[:0]).shape == (0,) and next_token(TINY, PARAMS, text[:0, :2]).shape == (
        0,
        11,
    )


def test_rotary_positions_see_distances_alone() -> None:
    x, y = jax.random.normal(jax.random.key(0), (2, 1, 1, 32), jnp.float32)
    products = [float((rotated(x, jnp.array([t])) * rotated(y, jnp.array([t + 3]))).sum()) for t in (0, 1, 17, 60)]
    size = float(jnp.linalg.norm(x) * jnp.linalg.norm(y))
    assert max(products) - min(products) <= 64 * EPS * size * 64, "an angle t is off by t eps"
    assert abs(products[0] - float((x * y).sum())) > 0.01 * size


def test_the_number_of_parameters_and_sizes_are_those_of_the_record() -> None:
    for shape in (TINY, Shape(129), Shape(20, width=24, layers=5, heads=3, length=4)):
        leaves = jax.tree.leaves(jax.eval_shape(partial(fresh, shape), jax.random.key(0)))
        assert sum(leaf.size for leaf in leaves) == shape.parameters
        assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    assert 100e6 < Shape(50_304, width=768, layers=12, heads=12, length=1024).parameters < 130e6
    assert Shape(50_304, width=768, layers=12, heads=12, length=1024).rows == 4
    assert Shape(129).rows == 256


def test_bfloat16_products_leave_weights_gradients_and_logits_in_float32() -> None:
    half = Shape(11, width=16, layers=2, heads=2, length=8, dtype="bfloat16")
    assert half.compute == jnp.bfloat16 and TINY.compute == jnp.float32
    value, slope = jax.jit(jax.value_and_grad(partial(cross_entropy, half)))(PARAMS, windows(4))
    assert {leaf.dtype for leaf in jax.tree.leaves(slope)} == {jnp.dtype("float32")} and value.dtype == jnp.float32
    whole = loss(TINY, PARAMS, windows(4))
    assert float(value) != whole
    # bfloat16 keeps 8 bits; errors of single products average out, those of each layer add up
    assert abs(float(value) - whole) <= 2.0**-8 * (2 * TINY.layers + 1) * max(
        1.0, float(np.abs(logits(PARAMS, windows(4))[..., 1:]).max())
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary": 1}, "vocabulary=1"),
        ({"vocabulary": 9.5}, "vocabulary=9.5"),
        ({"vocabulary": 9, "width": 20, "heads": 4}, "multiple of 8"),
        ({"vocabulary": 9, "layers": 0}, "layers=0"),
        ({"vocabulary": 9, "length": True}, "length=True"),
        ({"vocabulary": 9, "dtype": "float16"}, "dtype='float16'"),
        ({"vocabulary": 9, "attention": "fast"}, "Attention.PLAIN"),
        ({"vocabulary": 9, "attention": Attention.CUDNN, "dtype": "float32"}, "bfloat16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sizes_that_do_not_fit_are_refused_in_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        Shape(**arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros((2, 8), int), "tokens=0"),
        (np.full((2, 8), 11), "tokens=11"),
        (np.ones((2, 7), int), "shape"),
        (np.ones((2, 8)), "float64"),
        (np.ones((0, 8), int), "at least one window"),
    ],
    ids=["start", "too-high", "too-short", "fractions", "none"],
)
def test_tokens_that_are_no_windows_are_refused(tokens: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss(TINY, PARAMS, tokens)
    with pytest.raises(InputError, match="at most 7 tokens"):
        next_token(TINY, PARAMS, np.ones((1, 8), int))
