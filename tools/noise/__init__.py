"""Trains and measures the classifier by which the recogniser tells noises from speech.

python -m tools.noise train       writes voicebot/engines/stt/moonshine/noise.npz
python -m tools.noise measure     prints, for each kind of noise, how much passes a classifier not trained on it
"""
