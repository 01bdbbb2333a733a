"""Trains and measures the weights by which the recogniser tells hums ("mm-hmm", "uh-huh", "hmm") from words.

python -m tools.hums train       writes voicebot/engines/stt/moonshine/hums.npz
python -m tools.hums measure     prints how many hums and words of held-out voices are told apart
"""
