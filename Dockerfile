# Build: docker build -t inworld-sip-gateway .
# Run:   docker run --network host -e INWORLD_API_KEY=… -v "$PWD/my.yaml:/etc/gateway/gateway.yaml:ro" inworld-sip-gateway
# (host networking: RTP needs thousands of UDP ports, and NAT inside the host would hide the callers' addresses)

FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY gateway ./gateway
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim
LABEL org.opencontainers.image.title="inworld-sip-gateway" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /var/lib/gateway --create-home gateway \
 && mkdir -p /etc/gateway
COPY --from=build /opt/gateway /opt/gateway
COPY config/local.yaml /etc/gateway/gateway.yaml
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1
USER gateway
WORKDIR /var/lib/gateway
EXPOSE 5060/udp 5060/tcp 8080/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/gateway.yaml"]
