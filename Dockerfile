# Images of forewarn; name the one to build:
#
#   docker build --target serve     -t forewarn:serve .       the service, scoring on the CPU, no torch in it
#   docker build --target serve-gpu -t forewarn:serve-gpu .   the service, scoring on an NVIDIA GPU, no torch in it
#   docker build --target induce    -t forewarn:induce .      the whole command, learning included
#
# A serving container listens on loopback until FOREWARN_API_KEY is set. It writes under /data alone, so it runs with
# a read-only root: docker run --read-only --tmpfs /tmp -v forewarn:/data -e FOREWARN_API_KEY=… -p 8080:8080 forewarn:serve

ARG PYTHON=3.11

# --- what the environments are built from -----------------------------------------------------------------------------
FROM python:${PYTHON}-slim-bookworm AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/forewarn
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY forewarn forewarn
COPY monitors monitors
COPY induction induction
COPY service service

FROM source AS serve-environment
RUN /opt/forewarn/bin/pip install --constraint constraints.txt .[cpu]
RUN /opt/forewarn/bin/python -c "import sys; from importlib.util import find_spec; sys.exit(find_spec('torch') is not None)"

FROM source AS serve-gpu-environment
RUN /opt/forewarn/bin/pip install --constraint constraints.txt .[gpu]
RUN /opt/forewarn/bin/python -c "import sys; from importlib.util import find_spec; sys.exit(find_spec('torch') is not None)"

FROM source AS induce-environment
RUN /opt/forewarn/bin/pip install --constraint constraints.txt .[cpu,train]

# --- what every image has in common -----------------------------------------------------------------------------------
FROM python:${PYTHON}-slim-bookworm AS bare
# Group and user have fixed numbers, which deploy/ names. /files is for volumes that several containers share: bundles, the
# archive; a new volume takes its owner from here.
RUN groupadd --system --gid 10001 forewarn \
    && useradd --system --create-home --home-dir /data --uid 10001 --gid 10001 forewarn \
    && install --directory --owner forewarn --group forewarn /files
# HOME is the volume: caches (compiled kernels) and the embedded Redis land there, nothing else is written.
ENV PATH=/opt/forewarn/bin:$PATH HOME=/data FOREWARN_DATA_DIR=/data PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
USER forewarn
ENTRYPOINT ["forewarn"]

FROM bare AS serving
USER root
# The embedded Redis, on every processor type: the wheel that carries one exists for x86-64 alone.
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/*
USER forewarn
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
CMD ["serve", "--port", "8080"]

# --- the images -------------------------------------------------------------------------------------------------------
FROM serving AS serve
COPY --from=serve-environment /opt/forewarn /opt/forewarn

FROM serving AS serve-gpu
COPY --from=serve-gpu-environment /opt/forewarn /opt/forewarn

FROM bare AS induce
COPY --from=induce-environment /opt/forewarn /opt/forewarn
CMD ["--help"]
