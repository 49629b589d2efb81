# The operator: longpo-controller. From the repository's root: docker build -f docker/controller.Dockerfile .
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY api/package.json api/
COPY tokens/package.json tokens/
COPY preferences/package.json preferences/
COPY server/package.json server/
COPY controller/package.json controller/
COPY cli/package.json cli/
# TypeScript runs as it is written (docs/adr/0002): there is nothing to compile, and no package needs its script.
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund --workspace api --workspace controller

FROM node:24.21.0-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules/
COPY api api/
COPY controller controller/
RUN ln -s /app/controller/src/main.ts /usr/local/bin/longpo-controller
ENV NODE_ENV=production
USER 65532:65532
CMD ["longpo-controller"]
