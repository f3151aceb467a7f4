# Tayfa as an image: a private endpoint with RunPod's HTTP API, or a worker of RunPod's platform where its variables are set.
# The final stage holds our two programs, libtorch's libraries, one model and Debian's run-time packages; no compiler, no Python.
#
#   docker build -t tayfa .                                                            the demo's model
#   docker build -t tayfa --build-arg MODEL=models/x.pt --build-arg MODEL_SHA256=… .   your own (x.pt.manifest.json beside it)
#   docker run -p 127.0.0.1:8000:8000 -v tayfa:/var/lib/tayfa [--gpus all] tayfa       prints an API key at its first start, once
#
# Packages are listed in runtime/setup/packages.txt; tests/style/check_dockerfile.py checks this file against the tree.

# ---- deps: what Tayfa builds with; changes only with runtime/setup ---------------------------------------------------
FROM debian:bookworm-slim AS deps
SHELL ["/bin/bash", "-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c"]
ARG TAYFA_TORCH=torch==2.13.0
ENV TAYFA_DEPS=/opt/tayfa/deps
WORKDIR /src
COPY runtime/setup runtime/setup
# Set-up goes on without PyTorch where it cannot be had; an image without its engine would be of no use.
RUN runtime/setup/setup.sh \
    && rm -rf /var/lib/apt/lists/* /root/.cache \
    && read -r _ outcome <"$TAYFA_DEPS/.stamp" \
    && [ "$outcome" = torch ]

# ---- build: the programs, and the libraries of the wheel that they load ----------------------------------------------
FROM deps AS build
SHELL ["/bin/bash", "-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c"]
COPY CMakeLists.txt ./
COPY messages messages
COPY runtime runtime
COPY actors actors
COPY cluster cluster
RUN runtime/setup/build.sh build -DTAYFA_TESTS=OFF \
    && install -D --strip --target-directory=/image/opt/tayfa/bin \
      build/tayfa build/tayfa-engine build/libtayfa-engine-torch.so
# libtorch (and CUDA's libraries, where the wheel brings them) stay at the path that the engine was linked for.
RUN find /opt/tayfa/deps/venv/lib/python3*/site-packages -name '*.so*' ! -name '*python*' ! -name '*test*' \
      \( -path '*/site-packages/torch/lib/*' -o -path '*/site-packages/nvidia/*/lib/*' \) -print0 \
    | tar --create --absolute-names --null --files-from=- --file=- \
    | tar --extract --directory=/image --file=- \
    && ls /image/opt/tayfa/deps/venv/lib/python3*/site-packages/torch/lib/libtorch_cpu.so

# ---- model: the given one, whose hash is checked, or the demo's --------------------------------------------------------
FROM build AS model
SHELL ["/bin/bash", "-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c"]
ARG MODEL=""
ARG MODEL_SHA256=""
RUN --mount=type=bind,target=/context \
    mkdir -p /image/opt/tayfa/models; \
    if [ -n "$MODEL" ]; then \
      [ -n "$MODEL_SHA256" ] || { echo "MODEL needs MODEL_SHA256, its file's hash" >&2; exit 1; }; \
      echo "$MODEL_SHA256  /context/$MODEL" | sha256sum --check --strict -; \
      cp "/context/$MODEL" "/context/$MODEL.manifest.json" /image/opt/tayfa/models/; \
    else \
      MODEL=upscale4x.pt; \
      "$TAYFA_DEPS/venv/bin/python" runtime/demo/make_model.py --out /image/opt/tayfa/models; \
    fi; \
    printf '[engine]\nmodels = ["/opt/tayfa/models/%s"]\n' "$(basename "$MODEL")" >/image/opt/tayfa/tayfa.toml; \
    chmod -R a+rX /image/opt/tayfa

# ---- final -------------------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim AS final
SHELL ["/bin/bash", "-o", "errexit", "-o", "nounset", "-o", "pipefail", "-c"]
COPY runtime/setup/packages.txt /opt/tayfa/packages.txt
RUN apt-get update \
    && awk '$1 == "image" { print $2 }' /opt/tayfa/packages.txt \
      | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/tayfa --create-home tayfa
COPY LICENSE /opt/tayfa/LICENSE
COPY --from=model /image/ /

# PORT listens on every address of the container, so a key is needed: where the volume has none yet, one is made at the first start and printed once
# (tayfa key makes others). On a load-balancing endpoint RunPod sets PORT and asks for its own key before a request comes here, so no other is made; a
# worker of RunPod's queue (RUNPOD_WEBHOOK_GET_JOB) listens on the loopback only.
ENV PATH=/opt/tayfa/bin:$PATH \
    LD_PRELOAD=libtcmalloc_minimal.so.4 \
    PORT=8000 \
    TAYFA_HTTP_FIRST_KEY=true \
    TAYFA_POD_DATA=/var/lib/tayfa/data \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /var/lib/tayfa
VOLUME /var/lib/tayfa
EXPOSE 8000
STOPSIGNAL SIGTERM
# /ping answers 200 when the pod takes jobs and 204 while it starts; bash asks, so that no HTTP client need be here.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
  CMD ["/bin/bash", "-c", "listen=${TAYFA_HTTP_LISTEN:-:$PORT}; exec 3<>/dev/tcp/127.0.0.1/${listen##*:} && printf 'GET /ping HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["/opt/tayfa/bin/tayfa", "serve", "--config", "/opt/tayfa/tayfa.toml"]
