"""Second floor: language models trained recursively on their own text.

Empty for now.  The recursion over language models, with the workflows of `modelcollapse.theory` and the
observables of `modelcollapse.simulate`, comes later.
"""
