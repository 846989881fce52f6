# Two targets: `docker build --target cpu .` and `docker build --target cuda .`; cpu is the default.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY bci bci
COPY streaming streaming
COPY inference inference
COPY feedback feedback
COPY models models
COPY firmware_profiles firmware_profiles
COPY clients clients
RUN python -m venv /opt/focusloop && /opt/focusloop/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm AS base
# BrainFlow reads Bluetooth through D-Bus and serial dongles through udev.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libdbus-1-3=1.* libusb-1.0-0=2:1.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 focusloop \
    && install -d -o focusloop -g focusloop /data
COPY --from=build /opt/focusloop /opt/focusloop
ENV PATH=/opt/focusloop/bin:$PATH FOCUSLOOP_DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/healthz', timeout=2)"]
ENTRYPOINT ["focusloop"]
# A host other than loopback needs a token: pass FOCUSLOOP_TOKEN (16 characters or more).
CMD ["serve", "--host", "0.0.0.0"]

FROM base AS cuda
USER 0
# The libraries that ONNX Runtime's CUDA provider loads; the driver comes from the host (`--gpus all`).
RUN pip install --no-cache-dir "nvidia-cuda-runtime==13.*" "nvidia-cublas==13.*" "nvidia-cudnn-cu13==9.*" "nvidia-cufft==12.*" "nvidia-curand==10.*"
USER 10001

FROM base AS cpu
