# The API and the keeper: no torch, no GPU. `docker build -f deploy/service.Dockerfile .`
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 EASYANIMATE_HOST=0.0.0.0 EASYANIMATE_DATA_DIR=/data
WORKDIR /app
RUN useradd --uid 10001 --create-home app && install -d -o app /data
COPY requirements/service.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/service.txt
COPY easyanimate/ easyanimate/
COPY jobs/ jobs/
COPY service/ service/
COPY worker/ worker/
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["python", "-m", "service"]
