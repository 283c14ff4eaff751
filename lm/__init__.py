"""Second floor: language models trained recursively on their own text, predicted first and scored afterwards.

`run.run` does it all for an `experiment.Experiment`: `forecast` freezes what `calibration` predicts, `recursion` trains, `score`
compares. `tabular`, `fixed_counts` and `free_running` do the same for tables, where theory is exact.
"""
