"""How the evidence is weighed: 64-bit floats, and examples that are the same in every run."""

import os

os.environ["JAX_ENABLE_X64"] = "1"  # read when jax is imported, which is after this
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import settings

settings.register_profile("modelcollapse", deadline=None, derandomize=True)
settings.load_profile("modelcollapse")
