"""The evidence: one file for each file of `modelcollapse.theory`.

What fails here means that the science is wrong.  It runs from an installed package too, with the extra
`proofs`: `pytest --pyargs modelcollapse.proofs`.
"""
