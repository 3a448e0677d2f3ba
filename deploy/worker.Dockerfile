# A worker with torch and the small model. `docker build -f deploy/worker.Dockerfile .`
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp EASYANIMATE_DATA_DIR=/data EASYANIMATE_MODELS_DIR=/opt/models
WORKDIR /app
RUN useradd --uid 10001 --create-home app && install -d -o app /data /opt/models
# torch first and by itself: on x86-64 Linux this is the build for CUDA, which also runs on a CPU.
RUN pip install --no-cache-dir torch==2.13.0
COPY requirements/worker.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/worker.txt
COPY easyanimate/ easyanimate/
COPY jobs/ jobs/
COPY service/ service/
COPY worker/ worker/
COPY cli/ cli/
COPY --chmod=755 deploy/easyanimate.sh /usr/local/bin/easyanimate
RUN python -m easyanimate.tiny /opt/models/easyanimate-v3-tiny
USER 10001
VOLUME /data
CMD ["python", "-m", "worker"]
