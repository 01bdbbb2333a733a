"""Trains the weights by which the recogniser tells hums ("mm-hmm", "uh-huh", "hmm") from words.

`python -m tools.hums` makes the clips, writes voicebot/engines/stt/moonshine/hums.npz, and prints how many hums and
words of voices that were left out of the training are told apart. It needs the packages of requirements-dev.txt, and
flite (a Debian package) for the last part. It takes some minutes on one core. The seed is fixed; espeak-ng itself is
not quite the same each time, so a few clips in a thousand may differ.
"""
