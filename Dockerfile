# docker build -t voicebot . && docker run --rm --network host -v voicebot:/data voicebot
# All native libraries (espeak-ng, onnxruntime, Silero, FFmpeg) come in wheels, so no Debian package is needed.
FROM python:3.11-slim-bookworm AS packages
COPY locks/pip.txt locks/run.txt ./
RUN python -m pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes --requirement pip.txt
RUN python -m pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes --requirement run.txt \
    --no-compile --target /packages
# The bot never reads these: Gradio's server for Node, sources and source maps of its page, Moonshine's own library.
RUN cd /packages && rm -r gradio/_frontend_code gradio/media_assets gradio/templates/node \
    moonshine_voice/libmoonshine.so moonshine_voice.libs moonshine_voice/assets/*.wav \
    && find gradio -name '*.map' -delete

FROM python:3.11-slim-bookworm

# Spaces run containers as user 1000, and mount their storage at /data if they have any.
RUN useradd --create-home --uid 1000 voicebot && install --directory --owner voicebot /data

COPY --from=packages /packages /usr/local/lib/python3.11/site-packages
WORKDIR /home/voicebot/app
COPY app.py ./
COPY voicebot ./voicebot
# Python compiles here what the app imports, because user 1000 cannot keep it.
RUN python -c "import voicebot.agent.graph, voicebot.storage.migrations.upgrade, voicebot.web.server, \
    deepgram, groq, langchain_groq, langchain_openai"

USER 1000
ENV HOME=/home/voicebot PYTHONUNBUFFERED=1 GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 \
    DATABASE_URL=sqlite:////data/conversations.db XDG_CACHE_HOME=/data/cache
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import json, os, urllib.request as web; url = f'http://127.0.0.1:{os.environ[\"GRADIO_SERVER_PORT\"]}/health'; assert json.load(web.urlopen(url, timeout=4))['status'] == 'healthy'"]
CMD ["python", "app.py"]
