# The API and the keeper: no torch, no GPU. `docker build -f deploy/service.Dockerfile .`
# With `--build-arg REVISION=$(git rev-parse HEAD)` the image names its commit.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements/service.txt requirements/sbom.txt requirements/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements/service.txt
# The list of all Python packages of the image, with versions and licences.
RUN python -m venv --without-pip /opt/sbom \
    && pip --python /opt/sbom/bin/python install --no-cache-dir --require-hashes -r requirements/sbom.txt \
    && /opt/sbom/bin/cyclonedx-py environment --no-validate --output-reproducible \
        --output-format JSON --output-file sbom.cdx.json /opt/venv/bin/python
COPY easyanimate/ easyanimate/
COPY jobs/ jobs/
COPY service/ service/
COPY worker/ worker/
COPY cli/ cli/
# Any user can read the code, also from a checkout with a strict umask; nothing is compiled at the start of a process.
RUN chmod -R a+rX,go-w /app \
    && python -m compileall -q --invalidation-mode unchecked-hash easyanimate jobs service worker cli

FROM python:3.11-slim-bookworm
ARG REVISION=unknown
LABEL org.opencontainers.image.title="EasyAnimate service" \
    org.opencontainers.image.description="The API and the keeper of the text- and image-to-video service" \
    org.opencontainers.image.version="0.2.0" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"
# tini is process 1: it passes signals on and collects ended processes. Any user of group 0 may write to /data.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini=0.19.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --gid 0 --home-dir /tmp --no-create-home app \
    && install -d -o 10001 -g 0 -m 2770 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --chmod=755 deploy/easyanimate.sh /usr/local/bin/easyanimate
# All that is written goes to /data and /tmp; the rest may be read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp TMPDIR=/tmp \
    EASYANIMATE_HOST=0.0.0.0 EASYANIMATE_DATA_DIR=/data
WORKDIR /app
USER 10001:0
VOLUME /data
EXPOSE 8000
# http.client uses no proxy of the environment.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=3); c.request('GET', '/healthz'); exit(c.getresponse().status != 200)"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "service"]
