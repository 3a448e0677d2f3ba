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
COPY cli/ cli/
COPY --chmod=755 deploy/easyanimate.sh /usr/local/bin/easyanimate
USER 10001
VOLUME /data
EXPOSE 8000
# http.client uses no proxy of the environment.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=3); c.request('GET', '/healthz'); exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
