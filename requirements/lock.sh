#!/usr/bin/env bash
# Resolve requirements/*.in into requirements/{cpu,gpu}.lock, every file by hash.
#
# torch is left out of the locks and pinned by version alone (torch.txt): its build differs from machine to
# machine (plain CPU, CUDA), so one hash cannot name it. torchvision, torchaudio, torchcodec and triton are
# excluded on the CPU: a text model needs none of them, and torchvision's operators must match torch's build.
# On GPUs (Linux, x86-64) vLLM pins them to match the CUDA build of torch that pip's own index has, so they stay.
#
# Versions already locked stay, so that a new dependency moves nothing else; UPGRADE=1 takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")"
uv="${UV:-../.venv/bin/uv}"
[ -x "$uv" ] || ../.venv/bin/python -m pip install -q uv

lock() {  # lock NAME [uv options]
  local name="$1"; shift
  # uv keeps to what it finds in its output file.
  if [ -z "${UPGRADE:-}" ] && [ -f "$name.lock" ]; then cp "$name.lock" "$name.lock.tmp"; fi
  "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --no-emit-index-url --no-emit-find-links --no-emit-package torch "$@" "$name.in" -o "$name.lock.tmp"
  { echo "# Made by requirements/lock.sh from $name.in; do not edit."
    # uv leaves a comment about the packages it was told not to write: the header says it better.
    grep -v '^# ' "$name.lock.tmp" || true
  } > "$name.lock"
  rm "$name.lock.tmp"
  echo "$name.lock: $(grep -c '==' "$name.lock") packages"
}

lock cpu --excludes excludes.txt --constraint torch.txt ${FIND_LINKS:+--find-links "$FIND_LINKS"}
lock gpu --constraint torch.txt --python-platform x86_64-manylinux_2_31 --no-build
