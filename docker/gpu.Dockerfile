# CodeFusion on NVIDIA GPUs (driver 580 or newer: the wheels are built for CUDA 13).
#
#   docker build -f docker/gpu.Dockerfile -t codefusion:gpu .
#   docker run --gpus all …                          with the NVIDIA container toolkit on the host
#
# The base is Python's image, not NVIDIA's: torch's wheels bring every CUDA library in the versions they were built
# for, the toolkit brings the driver's, and a CUDA base image would carry a second copy of the former (about 2 GB).
# The price: no nvcc, so vLLM leaves FlashInfer's kernels out, with a warning, and takes FlashAttention and Triton.
# The compiler wheels in the lock cannot stand in: FlashInfer links against lib64/libcudart.so, which they lack.
# Where FlashInfer matters (Blackwell), give --build-arg PYTHON_IMAGE an image with Python 3.11 and a CUDA 13 toolkit.
#
# Index, keys and what is written: as in cpu.Dockerfile. With several GPUs /dev/shm needs 16 GB (NCCL, vLLM's queues).
# Keep /var/cache/codefusion: compiling the model again costs minutes at each start.

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
RUN --mount=type=cache,target=/var/cache/pip \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    PIP_CACHE_DIR=/var/cache/pip python scripts/environment.py --device gpu

FROM ${PYTHON_IMAGE}
# g++ compiles what Triton and torch.compile generate; libibverbs lets NCCL use InfiniBand between machines.
# Debian keeps one version of a package at a time, so a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ ibverbs-providers libibverbs1 libnuma1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/cache/codefusion --shell /usr/sbin/nologin codefusion \
    && install --directory --owner=codefusion --group=codefusion /var/lib/codefusion /var/cache/codefusion \
    && install --directory --owner=codefusion --group=codefusion --mode=0700 /etc/codefusion/keys
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY . .
# The NVIDIA_ variables tell the container toolkit what to hand in; NVIDIA's own images set them too.
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/var/cache/codefusion \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    VLLM_USE_FLASHINFER_SAMPLER=0 \
    CODEFUSION_CACHE=/var/lib/codefusion \
    CODEFUSION_SERVER__HOST=0.0.0.0 \
    CODEFUSION_SERVER__PORT=8000 \
    CODEFUSION_ACCESS__KEYS_FILE=/etc/codefusion/keys/keys.json
USER 10001:10001
VOLUME ["/var/lib/codefusion", "/var/cache/codefusion"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# It listens once the weights are here, and answers from then on, also while the engine starts and while it drains.
HEALTHCHECK --interval=15s --timeout=5s --start-period=2h --start-interval=5s --retries=3 \
    CMD ["python", "-IS", "docker/healthcheck.py"]
ENTRYPOINT ["tini", "--", "python", "-m", "service"]
CMD ["--config", "configs/gpu-7b.toml"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CodeFusion, GPU" \
      org.opencontainers.image.description="An inference service that makes a code model write code that parses." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
