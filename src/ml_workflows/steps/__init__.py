"""The work: one file a step, each a function from parameters and input files to output files."""
