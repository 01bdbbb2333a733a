"""Trains the weights by which the recogniser tells hums ("mm-hmm", "uh-huh", "hmm") from words.

`python -m tools.hums` makes the clips, writes voicebot/engines/stt/moonshine/hums.npz, and prints how many hums and
words of voices that were left out of the training are told apart. It needs the packages of requirements-dev.txt, and
flite (a Debian package) for a part of the tests. The natural voices are in packages that it names when they are not
there; `--without-natural-voices` trains without them, and then fewer hums of natural voices are known. Everything
takes about half an hour on one core, most of it for Kokoro. The seed is fixed; espeak-ng itself is not quite the same
each time, so a few clips in a thousand may differ.
"""
