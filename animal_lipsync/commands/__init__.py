"""The commands of `animal-lipsync`, one a file: `add` says how it is called, `run` does it and returns its report."""
