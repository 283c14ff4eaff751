"""The commands: one file for each, with its options, and how it answers. `modelcollapse.cli` reads only the one that is asked."""
