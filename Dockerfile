# elaaoms in a container: no root, no shell scripts, one process that ends cleanly on SIGTERM.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY elaaoms ./elaaoms
COPY share ./share
RUN python -m venv /opt/elaaoms && /opt/elaaoms/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
RUN groupadd --gid 10001 elaaoms \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin elaaoms \
    && install -d -o elaaoms -g elaaoms -m 0700 /data /etc/elaaoms
COPY --from=build /opt/elaaoms /opt/elaaoms
ENV PATH=/opt/elaaoms/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["elaaoms"]
CMD ["serve", "-c", "/etc/elaaoms/elaaoms.toml"]
