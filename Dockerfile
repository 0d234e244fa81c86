FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir uv && useradd --create-home --home-dir /srv/understage understage
WORKDIR /srv/understage
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY backend backend
COPY actions actions
RUN uv sync --frozen --no-dev
COPY app-config.yaml ./
COPY catalog-info catalog-info
COPY skeletons skeletons
COPY docker docker
RUN mkdir -p .understage && chown understage .understage
ENV PATH=/srv/understage/.venv/bin:$PATH
USER understage
EXPOSE 7007
CMD ["understage", "serve"]
