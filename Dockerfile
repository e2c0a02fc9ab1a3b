# The worker of vmferry. Not run by the tests: no container engine was there (docs/operating.md).
FROM node:20.19.5-bookworm-slim AS build
WORKDIR /opt/vmferry
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20.19.5-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends qemu-utils libvirt-clients openssh-client ca-certificates \
    bzip2 lz4 lzop xz-utils zstd \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/vmferry-worker vmferry \
 && install -d -o vmferry -g vmferry /var/lib/vmferry /etc/vmferry
WORKDIR /opt/vmferry
COPY --from=build /opt/vmferry/package.json ./
COPY --from=build /opt/vmferry/node_modules ./node_modules
COPY --from=build /opt/vmferry/dist ./dist
COPY --from=build /opt/vmferry/bin ./bin
COPY --from=build /opt/vmferry/scripts ./scripts
RUN ln -s /opt/vmferry/bin/vmferry.mjs /usr/local/bin/vmferry
# Enough for sites reached by ssh. The libvirt of the host itself needs root, for its disk images: see docker-compose.yml.
USER vmferry
ENV VMFERRY_CONFIG=/etc/vmferry/vmferry.yaml
ENTRYPOINT ["vmferry"]
CMD ["worker"]
