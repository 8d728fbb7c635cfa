# One image for every service of Fillstream but analytics, and the same with DuckDB and Arrow for that; the command says
# which service a container runs.
#
#   docker build -t fillstream --target runtime .
#   docker build -t fillstream-analytics --target analytics .
#   docker build -t fillstream --target calendars .     instead of runtime: knows exchanges' calendars as well
#   docker run --rm fillstream fillstream --help
#   docker run --rm fillstream python -m fillstream.services.order_service signals
#
# It runs as uid 10001 and writes nothing outside /data (snapshots, DuckDB) and /tmp, so the root file system can be
# mounted read-only. Secrets come from the environment of the container, never from here.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# ---------------------------------------------------------------------------------------------- compile, install
# What is installed is in constraints.txt, version and hash. Only that file and the lists of requirements decide about
# the slow layers: an edit of the sources leaves them as they are.
FROM ${PYTHON_IMAGE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY pyproject.toml constraints.txt ./
COPY deploy/requirements.py deploy/
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py --pinned pip > /pip.txt \
 && pip install --require-hashes -r /pip.txt \
 && python deploy/requirements.py gateway > /run.txt \
 && python deploy/requirements.py build > /build.txt \
 && pip install --require-hashes --only-binary :all: -c constraints.txt -r /build.txt
# No pip inside the environments: it is not needed at run time.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/fillstream \
 && pip --python /opt/fillstream/bin/python install --require-hashes --only-binary :all: -c constraints.txt -r /run.txt
COPY setup.py README.md LICENSE ./
COPY config config
COPY native native
COPY libs libs
COPY services services
COPY fillstream fillstream
# One abi3 wheel with the C core in it. A wheel that is not abi3 means the limited API was lost: stop here.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && ls /wheels/fillstream-*-abi3-*.whl \
 && pip --python /opt/fillstream/bin/python install --no-deps /wheels/*.whl

# What analytics alone needs, and is three times as large as all the rest.
FROM build AS build-analytics
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py --only analytics > /analytics.txt \
 && pip install --target /opt/analytics --require-hashes --only-binary :all: -c constraints.txt -r /analytics.txt

# What compiles the calendars of exchanges, which brings pandas; those by hand need none of it.
FROM build AS build-calendars
RUN --mount=type=cache,target=/root/.cache/pip \
    python deploy/requirements.py --only calendars > /calendars.txt \
 && pip install --target /opt/calendars --require-hashes --only-binary :all: -c constraints.txt -r /calendars.txt

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
    FILLSTREAM_CONTAINER=1 \
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

ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Fillstream" \
      org.opencontainers.image.description="Order and position management: signals on a Redis stream in, fills, positions and exact P&L out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# ------------------------------------------------------------------------------------- run, with exchanges' calendars
FROM runtime AS calendars
COPY --from=build-calendars /opt/calendars /opt/calendars
ENV PYTHONPATH=/opt/calendars

# ------------------------------------------------------------------------------------------------- run analytics
FROM runtime AS analytics
COPY --from=build-analytics /opt/analytics /opt/analytics
ENV PYTHONPATH=/opt/analytics
CMD ["python", "-m", "fillstream.services.analytics"]
