"""How the program is tested: 64-bit floats on the processor, and examples that are the same in every run.

The profile is that of proofs/conftest.py: both are loaded in one run.  `--hypothesis-profile=default` looks
for new examples.
"""

import os

os.environ["JAX_ENABLE_X64"] = "1"  # read when jax is imported, which is after this
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import settings

settings.register_profile("modelcollapse", deadline=None, derandomize=True)
settings.load_profile("modelcollapse")
