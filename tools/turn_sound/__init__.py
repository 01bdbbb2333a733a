"""Computes the weights of `voicebot/dialogue/end_of_turn/sound.py`: how the end of a turn sounds.

The speech: the development part of `tests/benchmarks/turns`, sentences that this script makes in synthetic voices, and
real speakers from two Debian packages, of which nothing goes into the repository. To get them:

    apt-get download flight-of-the-amazon-queen asterisk-core-sounds-en-wav
    for package in *.deb; do dpkg -x $package packages; done
    pip install pocketsphinx scikit-learn
    python -m tools.turn_sound packages work

PocketSphinx finds out when each word is said. The second folder keeps what takes long, so that the script can be
stopped and started again.
"""
