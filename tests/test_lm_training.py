"""Training learns, stops where it says, and is the same run however it is cut into pieces or shared out."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse.lm.decoder import Shape, fresh
from modelcollapse.lm.likelihood import cross_entropy, loss
from modelcollapse.lm.recipe import Compute, Epochs, Training
from modelcollapse.lm.training import State, StoppedBy, Trained, advance, begin, ended, order, outcome, segment, train
from modelcollapse.theory.arguments import InputError

TINY = Shape(vocabulary=11, width=16, layers=2, heads=2, length=8)
FIXED = Training(steps=20, batch=4, evaluate_every=8, patience=None)
START, KEY = fresh(TINY, jax.random.key(0)), jax.random.key(1)

compiled: Counter[str] = Counter()


def count(event: str, duration_secs: float, **_: str | int) -> None:
    compiled.update([event])


jax.monitoring.register_event_duration_secs_listener(count)
COMPILE = "/jax/core/compile/backend_compile_duration"


def text(n: int, seed: int = 0, high: int = TINY.vocabulary) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, high, (n, TINY.length)).astype(np.int32)


def same(one: object, other: object) -> bool:
    """Whether two trees hold the same bits, NaN for NaN."""
    leaves = [jax.tree.leaves(tree) for tree in (one, other)]
    return len(leaves[0]) == len(leaves[1]) > 0 and all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True) for a, b in zip(*leaves, strict=True)
    )


def test_one_batch_is_learnt_by_heart() -> None:
    """Four different windows: all but the first token are certain, and the first has four windows to choose among."""
    batch = text(4)
    assert len(set(batch[:, 0])) == 4
    trained = train(TINY, START, batch, None, KEY, replace(FIXED, steps=160, weight_decay=0.0))
    assert loss(TINY, START, batch) > 2
    least = np.log(4) / TINY.length
    assert least <= trained.losses[-1] < 1.1 * least
    assert loss(TINY, trained.params, batch) < 1.1 * least


def test_without_patience_the_last_weights_are_returned_and_with_it_the_best() -> None:
    """The text to stop on is another one than the pool, so the longer a model learns the pool by heart the worse."""
    pool, other = text(4), text(4, seed=1)
    states: list[State] = []
    training = replace(FIXED, steps=96)
    last = train(TINY, START, pool, other, KEY, training, keep=states.append)
    assert len(states) == 12 and same(last.params, states[-1].params)
    assert last.best_step == 96 and last.stopped_by is StoppedBy.STEPS and len(last.losses) == 96
    measured = [loss(TINY, state.params, other) for state in states]
    assert np.array_equal(last.stopping, np.array(measured, np.float32)) and int(np.argmin(measured)) < 8

    at = int(np.argmin(measured))
    best = train(TINY, START, pool, other, KEY, replace(training, patience=4))
    assert best.stopped_by is StoppedBy.PATIENCE
    assert same(best.params, states[at].params) and not same(best.params, last.params)
    assert best.best_step == 8 * (at + 1) and len(best.losses) == 8 * (at + 1 + 4)
    assert np.array_equal(best.stopping, last.stopping[: at + 5])

    patient = train(TINY, START, pool, other, KEY, replace(training, patience=12))
    assert patient.stopped_by is StoppedBy.STEPS and same(patient.params, best.params), "the best is kept to the end"


def test_a_run_cut_into_segments_and_written_to_disk_is_the_unbroken_run_bit_for_bit(tmp_path: Path) -> None:
    import orbax.checkpoint as ocp

    pool, stop = text(30), text(5, seed=1)
    training = replace(FIXED, patience=2)
    whole = train(TINY, START, pool, stop, KEY, training)
    state = begin(TINY, START, len(pool), training)
    with ocp.StandardCheckpointer() as disk:
        for number in itertools.count():
            if ended(state, training):
                break
            state = advance(TINY, state, pool, stop, KEY, training)
            disk.save(tmp_path / str(number), state._asdict())
            disk.wait_until_finished()
            state = State(**disk.restore(tmp_path / str(number), begin(TINY, START, len(pool), training)._asdict()))
    assert number == 3 and same(outcome_of(outcome(state, training)), outcome_of(whole))

    halfway = advance(TINY, begin(TINY, START, len(pool), training), pool, stop, KEY, training)
    resumed = train(TINY, START, pool, stop, KEY, training, state=halfway)
    assert same(outcome_of(resumed), outcome_of(whole))
    assert not same(whole.params, train(TINY, START, pool, stop, jax.random.key(2), training).params)
    with pytest.raises(InputError, match="20 steps"):
        train(TINY, START, pool, stop, KEY, replace(training, steps=21), state=halfway)


def outcome_of(trained: Trained) -> tuple:
    return trained.params, trained.losses, trained.stopping, trained.best_step


def test_a_pool_that_grows_compiles_nothing_again() -> None:
    stop = text(5, seed=1)
    training = replace(FIXED, steps=17, matched=Epochs(pool=30), patience=3)
    train(TINY, START, text(30), stop, KEY, training)
    before = compiled[COMPILE]
    assert before > 0, "compilations are counted"
    model = train(TINY, START, text(60), stop, KEY, training)
    grown = compiled[COMPILE] - before
    assert grown == 1, "the learning rates of another number of steps, and nothing else"
    train(TINY, model.params, text(90), stop, jax.random.key(5), replace(training, matched=Compute()))
    assert compiled[COMPILE] - before == 1
    assert len(model.losses) in (8, 16, 24, 32, 34)


@pytest.mark.parametrize("windows", [3, 4, 30])
def test_every_pass_over_the_pool_sees_each_window_once_in_an_order_of_its_own(windows: int) -> None:
    places = order(KEY, windows, 0, 5 * windows)
    passes = places.reshape(5, windows)
    assert (np.sort(passes) == np.arange(windows)).all()
    assert len({tuple(one) for one in passes}) > 1
    for first in range(0, 4 * windows, 7):
        assert np.array_equal(order(KEY, windows, first, windows), places[first : first + windows])
    assert not np.array_equal(order(jax.random.key(2), windows, 0, 5 * windows), places)


def test_the_batches_of_a_training_follow_those_passes_from_segment_to_segment() -> None:
    """At a learning rate too small to move a weight, the loss of a step tells which windows it has seen."""
    pool = text(18)
    still = train(TINY, START, pool, None, KEY, replace(FIXED, learning_rate=1e-30))
    seen = [loss(TINY, START, pool[four]) for four in order(KEY, 18, 0, 80).reshape(20, 4)]
    assert np.abs(still.losses - seen).max() <= 64 * 2.0**-23 * max(seen)
    assert np.abs(np.diff(seen)).min() > 1e-3


def test_the_learning_rate_warms_up_falls_as_a_cosine_and_is_never_zero() -> None:
    rates = Training(steps=100, learning_rate=2.0, warmup=0.1).rates(512)
    assert rates.shape == (100,) and rates.dtype == np.float32
    rounding = 8 * 2.0**-23
    assert np.abs(rates[:10] - 0.2 * np.arange(1, 11)).max() <= rounding * 2
    falling = 1 + np.cos(np.pi * np.arange(0, 91) / 91)
    assert np.abs(rates[9:] - falling).max() <= 2 * rounding
    assert (rates > 0).all() and rates.argmax() == 9


def test_steps_are_matched_by_compute_or_by_epochs() -> None:
    assert [Training(steps=300).steps_for(n) for n in (1, 512, 2048)] == [300] * 3
    assert [Training(steps=300, matched=Epochs(512)).steps_for(n) for n in (1, 512, 2048)] == [1, 300, 1200]
    trained = train(TINY, START, text(9), None, KEY, replace(FIXED, matched=Epochs(30)))
    assert len(trained.losses) == 6 and trained.best_step == 6


def test_an_update_is_adamw_by_hand() -> None:
    """Loshchilov & Hutter 2019: from zero moments, g of a clipped gradient gives g / (|g| + 1e-8), and matrices decay.

    The clip is small enough for 1e-8 to matter: otherwise the length of a gradient would cancel.
    """
    batch, clip = text(4), 1e-7
    training = replace(FIXED, steps=1, weight_decay=0.5, clip=clip, warmup=0.0)
    slope = jax.jit(jax.grad(partial(cross_entropy, TINY)))(START, batch)
    norm = np.sqrt(sum(float((np.asarray(leaf) ** 2).sum()) for leaf in jax.tree.leaves(slope)))
    found = train(TINY, START, batch, None, KEY, training).params
    rate = float(training.rates(4)[0])
    leaves = zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(START), jax.tree.leaves(slope), strict=True
    )
    for (path, new), old, gradient in leaves:
        before, g = np.asarray(old, float), np.asarray(gradient, float) * clip / norm
        decay = 0.0 if "scale" in jax.tree_util.keystr(path) else 0.5
        expected = before - rate * (g / (np.abs(g) + 1e-8) + decay * before)
        rounding = 64 * 2.0**-23 * (np.abs(before).max() + rate * clip / 1e-8)
        assert np.abs(np.asarray(new) - expected).max() <= rounding
    assert norm > 0.1


def test_many_models_train_side_by_side_under_vmap() -> None:
    models = [fresh(TINY, jax.random.key(seed)) for seed in (7, 8)]
    moments = [begin(TINY, model, 1, FIXED).moments for model in models]
    batches = text(2 * 8 * 4).reshape(2, 8, 4, TINY.length)
    rates, taken = np.full(8, 1e-3, np.float32), np.int32(3)
    one = partial(segment, TINY, FIXED.adamw)
    many = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees) for trees in (models, moments)]
    together, _, losses = jax.vmap(one, in_axes=(0, 0, 0, None, None))(*many, batches, rates, taken)
    for at in range(2):
        alone, _, expected = one(models[at], moments[at], batches[at], rates, taken)
        assert np.abs(losses[at] - expected).max() <= 64 * 2.0**-23 * expected.max()
        assert (expected[:3] > 1).all() and (expected[3:] == 0).all()
        # three steps of size 1e-3, whose direction is a ratio of rounded numbers
        ends = zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True)
        assert max(np.abs(np.asarray(leaf)[at] - np.asarray(other)).max() for leaf, other in ends) <= 3 * 2e-3
    assert not np.array_equal(losses[0], losses[1])


def test_progress_and_state_are_told_after_every_segment() -> None:
    told: list[tuple[int, int]] = []
    kept: list[State] = []
    train(TINY, START, text(9), None, KEY, FIXED, progress=lambda *at: told.append(at), keep=kept.append)
    assert told == [(8, 20), (16, 20), (20, 20)]
    assert [int(state.step) for state in kept] == [8, 16, 20]
    assert [int(np.isfinite(state.losses).sum()) for state in kept] == [8, 16, 20]
    assert np.array_equal(kept[0].losses[:8], kept[2].losses[:8])


SHARED = """
import sys, jax, numpy as np
from modelcollapse.lm.decoder import Shape, fresh
from modelcollapse.lm.generation import generate
from modelcollapse.lm.placement import placement
from modelcollapse.lm.training import train
from modelcollapse.lm.recipe import Training
shape = Shape(vocabulary=11, width=16, layers=2, heads=2, length=8)
training = Training(steps=20, batch=4, evaluate_every=8, patience=None)
pool = np.random.default_rng(0).integers(1, 11, (30, 8))
trained = train(shape, fresh(shape, jax.random.key(0)), pool, pool[:5], jax.random.key(1), training)
leaf = jax.tree.leaves(trained.params)[0]
written = generate(shape, trained.params, 6, jax.random.key(2), batch=4)
assert written.shape == (6, 8)
print(len(jax.devices()), placement(4).mesh.size, placement(5).mesh.size, len(leaf.sharding.device_set))
print(*(float(value).hex() for value in [*trained.losses, *trained.stopping]))
"""


def test_two_devices_share_a_batch_and_lose_the_same_up_to_rounding() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    devices, numbers = done.stdout.splitlines()
    assert devices.split() == ["2", "2", "1", "2"]
    shared = np.array([float.fromhex(number) for number in numbers.split()])
    pool = np.random.default_rng(0).integers(1, 11, (30, 8))
    alone = train(TINY, START, pool, pool[:5], KEY, FIXED)
    expected = np.concatenate([alone.losses, alone.stopping])
    assert shared.shape == expected.shape
    # means of the same numbers in another order; a gradient summed wrongly shows from the second step on
    assert (np.abs(shared - expected) <= 64 * 2.0**-23 * expected).all()


def test_what_cannot_be_trained_is_refused() -> None:
    pool = text(4)
    with pytest.raises(InputError, match="text to stop on"):
        train(TINY, START, pool, None, KEY, replace(FIXED, patience=3))
    with pytest.raises(InputError, match="at least one window"):
        train(TINY, START, pool[:0], None, KEY, FIXED)
    with pytest.raises(InputError, match="stopping=0"):
        train(TINY, START, pool, pool * 0, KEY, FIXED)
    with pytest.raises(InputError, match="not finite"):
        train(TINY, START, pool, None, KEY, replace(FIXED, steps=8, learning_rate=1e38, warmup=0.0))
    wrong = {
        "steps": 0,
        "batch": 1.5,
        "patience": 0,
        "beta2": 1,
        "warmup": 2,
        "clip": 0,
        "weight_decay": -1,
        "matched": 1,
    }
    for name, value in wrong.items():
        with pytest.raises(InputError, match=name):
            Training(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pool=0"):
        Epochs(0)


def test_weighted_windows_are_drawn_in_proportion_to_their_weights() -> None:
    """Counts of 40 passes of 100 draws: chi-square of 4 categories, false alarm 1e-6."""
    weight = np.array([0.0, 1.0, 2.0, 3.0, 4.0] * 20)
    drawn = order(jax.random.key(3), 100, 0, 4000, weight)
    seen = np.array([np.isin(drawn, np.flatnonzero(weight == each)).sum() for each in range(5)])
    expected = 4000 * np.array([0, 1, 2, 3, 4]) / 10
    assert seen[0] == 0
    assert (((seen - expected) ** 2)[1:] / expected[1:]).sum() < 30.7  # chi-square of 3 degrees at 1e-6
    later = order(jax.random.key(3), 100, 250, 50, weight)
    np.testing.assert_array_equal(later, drawn[250:300])
