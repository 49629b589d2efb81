# Roles fetch, train and verify: longpo-fetch, longpo-train, longpo-verify. From the repository's root:
# docker build -f docker/trainer.Dockerfile .
FROM python:3.11.14-slim-bookworm AS build
# Empty: PyPI's wheels, with CUDA. https://download.pytorch.org/whl/cpu makes an image without it.
ARG PIP_EXTRA_INDEX_URL
COPY trainer/requirements.txt /tmp/
# The versions are those that the tests ran with; what only tests need stays out.
RUN python -m venv /opt/longpo \
    && /opt/longpo/bin/pip install --no-cache-dir --constraint /tmp/requirements.txt \
      torch transformers safetensors numpy fastjsonschema huggingface_hub tensorboard

FROM python:3.11.14-slim-bookworm
WORKDIR /app
COPY --from=build /opt/longpo /opt/longpo
COPY trainer/contract trainer/contract/
COPY trainer/longpo_trainer trainer/longpo_trainer/
COPY docker/trainer/longpo-role docker/trainer/longpo-role
RUN ln -s /app/docker/trainer/longpo-role /usr/local/bin/longpo-fetch \
    && ln -s /app/docker/trainer/longpo-role /usr/local/bin/longpo-train \
    && ln -s /app/docker/trainer/longpo-role /usr/local/bin/longpo-verify
# The driver's libraries come from the node's container runtime, which asks for these two.
ENV PYTHONPATH=/app/trainer PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 65532:65532
CMD ["longpo-train"]
