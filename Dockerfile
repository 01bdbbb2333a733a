# docker build -t voicebot . && docker run --rm --network host -v voicebot:/data voicebot
# All native libraries (espeak-ng, onnxruntime, Silero, FFmpeg) come in wheels, so no Debian package is needed.
FROM python:3.11-slim-bookworm

# Spaces run containers as user 1000, and mount their storage at /data if they have any.
RUN useradd --create-home --uid 1000 voicebot && install --directory --owner voicebot /data

WORKDIR /home/voicebot/app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --requirement requirements.txt
COPY app.py ./
COPY voicebot ./voicebot

USER 1000
ENV HOME=/home/voicebot PYTHONUNBUFFERED=1 GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 \
    DATABASE_URL=sqlite:////data/conversations.db XDG_CACHE_HOME=/data/cache
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import json, os, urllib.request as web; url = f'http://127.0.0.1:{os.environ[\"GRADIO_SERVER_PORT\"]}/health'; assert json.load(web.urlopen(url, timeout=4))['status'] == 'healthy'"]
CMD ["python", "app.py"]
