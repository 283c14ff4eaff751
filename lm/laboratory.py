"""Where models are trained, written from and measured, each once: what is on disk already is not made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from modelcollapse.simulate.store import digest, kept

from .decoder import fresh
from .diversity import diversity
from .drift import entropy, gini
from .experiment import Experiment, plain
from .filters import Filter, accepted
from .generation import generate
from .likelihood import loss, next_token
from .tails import tails, word_counts
from .training import State, begin, train
from .verification import MOST, filters
from .windows import Windows, written

INITIAL, ORDER, WRITING, MEASURING, SUBSAMPLE, REAL, REPHRASED, VERIFYING = range(8)  # what a random number is for
SECONDS = 20.0  # between checkpoints of one training
HELD = 4  # models whose weights stay in memory

Moved = Callable[[float], None]


def _still(_share: float) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Model:
    """A trained model of a seed and a generation: ``folder`` holds its weights and its measures."""

    folder: Path
    seed: int
    generation: int

    @property
    def name(self) -> str:
        """The digest of all that decides it."""
        return self.folder.name


@dataclass(frozen=True, eq=False)
class Laboratory:
    """An experiment and the folder of its results."""

    experiment: Experiment
    folder: Path
    held: dict[str, Any] = field(default_factory=dict, repr=False)  # weights of the newest models
    verifiers: dict[str, list[Filter]] = field(default_factory=dict, repr=False)  # by the name of a seed's first model

    @cached_property
    def common(self) -> dict[str, Any]:
        """What decides a model beside its data, its seed and its generation."""
        e = self.experiment
        recipe = {
            name: getattr(e, name) for name in ("width", "layers", "heads", "dtype", "length", "continued", "measured")
        }
        parts = {part: e.windows[part].tokens for part in ("stopping", "test")}
        matched = {"matched": plain(e.training.matched), "attention": e.attention.value, "contexts": e.contexts}
        return {
            "recipe": digest(
                {**recipe, **matched, "training": plain(e.training), "vocabulary": e.shape.vocabulary, **parts}
            )
        }

    def key(self, seed: int, generation: int, purpose: int, number: int = 0) -> jax.Array:
        """The random key of one purpose."""
        key = jax.random.key(seed)
        for part in (generation, purpose, number):
            key = jax.random.fold_in(key, part)
        return key

    def real(self, seed: int) -> Windows:
        """The real windows of a seed, in the order in which its batches take them."""
        pool = self.experiment.windows["training"]
        return pool.take(np.random.default_rng((seed, REAL)).permutation(len(pool)))

    def trained(
        self,
        seed: int,
        generation: int,
        data: Windows,
        weight: np.ndarray | None = None,
        *,
        parent: Model | None = None,
        number: int = 0,
        moved: Moved = _still,
    ) -> Model:
        """The model of this data; ``parent``: whose weights it starts from; ``number``: which of several re-trainings."""
        parent = parent if self.experiment.continued else None
        identity = self.common | {"seed": seed, "generation": generation, "number": number, "data": data.tokens}
        if weight is not None:
            identity["weight"] = weight
        if parent is not None:
            identity["parent"] = parent.name
        model = Model(self.folder / "models" / digest(identity), seed, generation)
        if not (model.folder / "measures.npz").exists():
            model.folder.mkdir(parents=True, exist_ok=True)
            params, fit = self._fit(model, data, weight, parent, number, moved)
            self._hold(model, params)
            kept(model.folder / "measures.npz", lambda: fit | self._measured(model))
        moved(1.0)
        return model

    def measures(self, name: str) -> dict[str, np.ndarray]:
        """What was measured of the model of this name."""
        with np.load(self.folder / "models" / name / "measures.npz") as file:
            return dict(file)

    def params(self, model: Model) -> Any:
        """The weights of a model."""
        if model.name not in self.held:
            like = jax.eval_shape(lambda: fresh(self.experiment.shape, jax.random.key(0)))
            with ocp.StandardCheckpointer() as store:
                self._hold(model, store.restore(model.folder.absolute() / "weights", like))
        return self.held[model.name]

    def _hold(self, model: Model, params: Any) -> None:
        """Keep the weights of the newest few models at hand."""
        self.held[model.name] = params
        while len(self.held) > HELD:
            self.held.pop(next(iter(self.held)))

    def written(self, model: Model, count: int, number: int = 0, *, verifier: Model | None = None) -> Windows:
        """``count`` windows that a model writes and the filters let through; ``number``: which batch of that model.

        ``verifier``: the seed's first model, which the filters are made of.
        """
        e, filtering = self.experiment, () if verifier is None else self.experiment.filters
        identity = {"sampling": plain(e.sampling), "number": number}
        if verifier is not None and filtering:
            identity |= {"filters": [repr(each) for each in filtering], "verifier": verifier.name}
        key, params = self.key(model.seed, model.generation, WRITING, number), self.params(model)

        def draw(first: int, some: int) -> np.ndarray:
            return generate(e.shape, params, some, key, e.sampling, first=first)

        def make() -> dict[str, Any]:
            if verifier is None or not filtering:
                return {"tokens": draw(0, count), "drawn": count}
            found = accepted(draw, count, self._filters(verifier), limit=MOST * count)
            return {"tokens": found.tokens, "drawn": found.drawn}

        made = kept(model.folder / f"written-{digest(identity)}-{count}.npz", make)
        return written(made["tokens"], generation=model.generation, model=model.seed)

    def rewritten(self, model: Model, blanked: np.ndarray, number: int = 0) -> Windows:
        """Windows whose blanks (zeros) a model fills."""
        e, key = self.experiment, self.key(model.seed, model.generation, REPHRASED, number)
        name = f"rewritten-{digest({'sampling': plain(e.sampling), 'number': number, 'blanked': blanked})}.npz"

        def make() -> dict[str, Any]:
            return {"tokens": generate(e.shape, self.params(model), len(blanked), key, e.sampling, given=blanked)}

        return written(kept(model.folder / name, make)["tokens"], generation=model.generation, model=model.seed)

    def _filters(self, first: Model) -> list[Filter]:
        """The filters of a seed."""
        if first.name not in self.verifiers:
            e, params = self.experiment, self.params(first)
            real = self.real(first.seed).take(slice(e.real)).tokens
            own = generate(e.shape, params, len(real), self.key(first.seed, 1, VERIFYING), e.sampling)
            self.verifiers[first.name] = filters(e.filters, e.shape, params, real, own)
        return self.verifiers[first.name]

    def _fit(
        self, model: Model, data: Windows, weight: np.ndarray | None, parent: Model | None, number: int, moved: Moved
    ) -> tuple[Any, dict[str, Any]]:
        """Train, with checkpoints on the way, and keep the weights."""
        e, seed, generation = self.experiment, model.seed, model.generation
        key = self.key(seed, generation, INITIAL, number)
        start = fresh(e.shape, key) if parent is None else self.params(parent)
        folder = model.folder.absolute() / "training"
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        with ocp.CheckpointManager(folder, options=options) as manager:
            state = None
            if manager.latest_step() is not None:
                like = begin(e.shape, start, len(data), e.training)
                state = State(*manager.restore(manager.latest_step(), args=ocp.args.StandardRestore(tuple(like))))
            saved = time.monotonic()

            def keep(now: State) -> None:
                nonlocal saved
                if time.monotonic() - saved > SECONDS:
                    manager.save(int(now.step), args=ocp.args.StandardSave(tuple(now)))
                    saved = time.monotonic()

            stopping = None if e.training.patience is None else e.windows["stopping"].tokens
            order = self.key(seed, generation, ORDER, number)
            done = train(e.shape, start, data.tokens, stopping, order, e.training, weight=weight, state=state, keep=keep,
                         progress=lambda step, most: moved(0.95 * step / most))  # fmt: skip
        with ocp.StandardCheckpointer() as store:
            store.save(model.folder.absolute() / "weights", done.params, force=True)
        shutil.rmtree(folder)
        fit = {
            "training_loss": done.losses,
            "stopping_loss": done.stopping,
            "stopped_by": done.stopped_by.value,
            "best_step": done.best_step,
            "windows": len(data),
            "real_share": float((data.generation == 0).mean()),
        }
        return done.params, fit

    def _measured(self, model: Model) -> dict[str, Any]:
        """Everything that is measured of a model, by name.

        ``loss``: on the test windows, nats per token. ``probabilities`` (contexts, V): of the next token after fixed real
        contexts, with their mean ``context_entropy`` and ``context_gini``. The rest is of windows that the model writes:
        see `Diversity` and `Tails` (of words, against as many real test windows).
        """
        e, params, test = self.experiment, self.params(model), self.experiment.windows["test"].tokens
        contexts = test[np.linspace(0, len(test) - 1, min(e.contexts, len(test))).astype(int), : e.length // 2]
        chances = next_token(e.shape, params, contexts)
        key = self.key(model.seed, model.generation, MEASURING)
        tokens = np.asarray(generate(e.shape, params, e.measured, key, e.sampling))
        texts = [e.tokenizer.decode(row) for row in tokens]
        here = word_counts(self._words, texts)
        return {
            "loss": loss(e.shape, params, test),
            "probabilities": chances,
            "context_entropy": float(entropy(chances).mean()),
            "context_gini": float(gini(chances).mean()),
            "tokens": np.bincount(tokens.ravel(), minlength=e.shape.vocabulary),
            **asdict(diversity(tokens, texts)),
            **{f"tail_{name}": value for name, value in asdict(tails(*here)).items()},
        }

    @cached_property
    def _words(self) -> list[str]:
        """Real windows of the test as text: what the tails are measured against."""
        test = self.experiment.windows["test"].tokens
        return [self.experiment.tokenizer.decode(row) for row in test]
