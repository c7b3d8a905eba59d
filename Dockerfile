# syntax=docker/dockerfile:1
# Juden and its fleet: built on one image, run on a small one without compiler, as a user without rights.

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
# The caches keep what was compiled between builds; what is needed later is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bins --package juden --package juden-fleet \
    && mkdir /out && cp target/release/juden target/release/juden-fleet /out/

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/juden --create-home juden
COPY --from=build /out/ /usr/local/bin/
COPY --chmod=755 deploy/healthy /usr/local/bin/juden-healthy
USER 10001:10001
WORKDIR /var/lib/juden
# In a container the listeners must be reached from outside of it.
ENV JUDEN_OCPP_LISTEN=0.0.0.0:9000 \
    JUDEN_HTTP_LISTEN=0.0.0.0:8080 \
    JUDEN_LOG_FORMAT=json
EXPOSE 9000 8080
VOLUME /var/lib/juden
# Juden ends by itself within 10 s of the signal: calls under way are answered first.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["juden-healthy"]
ENTRYPOINT ["juden"]
CMD ["serve"]
