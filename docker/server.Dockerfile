# Roles serve and generate: longpo-serve, longpo-generate. From the repository's root:
# docker build -f docker/server.Dockerfile .
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY api/package.json api/
COPY tokens/package.json tokens/
COPY preferences/package.json preferences/
COPY server/package.json server/
COPY controller/package.json controller/
COPY cli/package.json cli/
# onnxruntime-node's script would fetch CUDA libraries, and its package holds those of other systems: 220 MB.
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund \
      --workspace api --workspace tokens --workspace preferences --workspace server \
    && rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:24.21.0-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules/
COPY api api/
COPY tokens tokens/
COPY preferences preferences/
COPY server server/
RUN ln -s /app/server/src/main.ts /usr/local/bin/longpo-serve \
    && ln -s /app/preferences/src/main.ts /usr/local/bin/longpo-generate
ENV NODE_ENV=production
USER 65532:65532
CMD ["longpo-serve"]
