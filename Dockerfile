# syntax=docker/dockerfile:1
# One file for every part. ROLE names the extras of pyproject.toml that the part needs: docker build --build-arg ROLE=ingest .
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG ROLE=all
WORKDIR /src
COPY . .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint requirements.lock ".[${ROLE}]"

FROM python:${PYTHON}-slim
ARG ROLE=all
LABEL org.opencontainers.image.title="satomori" org.opencontainers.image.description="Satomori, extras: ${ROLE}"
RUN useradd --uid 10001 --create-home satomori && install -d -o satomori /state /grafana
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER satomori
WORKDIR /state
VOLUME /state
STOPSIGNAL SIGTERM
ENTRYPOINT ["satomori"]
