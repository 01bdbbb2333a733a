"""Trains the classifier by which the recogniser tells hums ("mm-hmm", "uh-huh", "hmm") from words.

`python -m tools.hums` makes the clips, writes voicebot/engines/stt/moonshine/hums.npz, and prints how well hums and
words of voices that were left out of the training are told apart. It needs the packages of requirements-dev.txt, and
flite (a Debian package) for some of the tests. If the packages with the natural voices are missing, it names them;
`--without-natural-voices` trains without them and recognises fewer hums of natural voices. Everything takes about half
an hour on one core, most of it for Kokoro. The seed is fixed, but espeak-ng varies a little, so a few clips in a
thousand may differ.
"""
