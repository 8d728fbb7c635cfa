# One image for every service of Fillstream; the command says which one a container runs.
#
#   docker build -t fillstream .
#   docker run --rm fillstream fillstream --help
#   docker run --rm fillstream python -m services.order_service signals
#
# It runs as uid 10001 and writes nothing outside /data (snapshots, DuckDB) and /tmp, so the root file system can be
# mounted read-only. Secrets come from the environment of the container, never from here.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# ------------------------------------------------------------------------------------- what has to be installed
# Only the list of dependencies leaves this stage: an edit of pyproject.toml that does not change it (a lint rule, a
# marker) leaves the slow layers below as they are.
FROM ${PYTHON_IMAGE} AS requirements
WORKDIR /src
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > /requirements.txt

# ---------------------------------------------------------------------------------------------- compile, install
FROM ${PYTHON_IMAGE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# No pip inside the environment: it is not needed at run time.
RUN python -m venv --without-pip /opt/fillstream
COPY --from=requirements /requirements.txt /requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/fillstream/bin/python install --only-binary :all: -r /requirements.txt
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY native native
COPY libs libs
COPY fillstream fillstream
COPY services services
# One abi3 wheel with the C core in it. A wheel that is not abi3 means the limited API was lost: stop here.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip wheel --no-deps --wheel-dir /wheels . \
 && ls /wheels/fillstream-*-abi3-*.whl \
 && pip --python /opt/fillstream/bin/python install --no-deps /wheels/*.whl

# --------------------------------------------------------------------------------------------------------- run
FROM ${PYTHON_IMAGE} AS runtime
# tini: reaps what a service leaves behind and hands on SIGTERM, on engines with and without `init: true`.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 fillstream \
 && useradd --system --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin fillstream \
 && install -d -o 10001 -g 10001 -m 0750 /data
COPY --from=build /opt/fillstream /opt/fillstream
COPY deploy/healthcheck.py /app/healthcheck.py
COPY config /app/config
ENV PATH=/opt/fillstream/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    CONFIG_PATH=/app/config/local.yaml \
    FILLSTREAM_SERVICE__HOST=0.0.0.0 \
    FILLSTREAM_SERVICE__PORT=8004 \
    FILLSTREAM_DATABASE__DATA_DIR=/data \
    MALLOC_TRIM_THRESHOLD_=268435456 \
    MALLOC_TOP_PAD_=67108864
WORKDIR /app
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/healthcheck.py", "/health"]
ENTRYPOINT ["tini", "--"]
CMD ["fillstream", "--help"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Fillstream" \
      org.opencontainers.image.description="Order and position management: signals on a Redis stream in, fills, positions and exact P&L out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
