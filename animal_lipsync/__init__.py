"""Make a picture or clip of an animal speak. See README.md; `animal-lipsync --help` is the command line."""

from .types import CHANNELS, Audio, Cue, Faces, FaceTrack, FormatError, MouthMotion, VisemeTrack

__all__ = ["CHANNELS", "Audio", "Cue", "Faces", "FaceTrack", "FormatError", "MouthMotion", "VisemeTrack"]
