# One image for each service: docker build --build-arg SERVICE=order .
# Built from the lock file alone; holds the pinned dependencies of that one service, its sources and the libraries'.

FROM node:24-bookworm-slim AS base
WORKDIR /shoal

# The manifests alone, so that the installs below are done anew only when one of them changes.
FROM base AS manifests
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete

# The contracts' code, which needs the development dependencies.
FROM base AS contracts
COPY --from=manifests /shoal ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY buf.yaml buf.gen.yaml ./
COPY proto proto
COPY tools/contracts/src tools/contracts/src
COPY tools/services/src tools/services/src
RUN npm run generate

# What the service needs to run.
FROM base AS dependencies
COPY --from=manifests /shoal ./
ARG SERVICE
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --ignore-scripts --workspace "apps/${SERVICE:?give --build-arg SERVICE=<a folder of apps/>}"

FROM base AS service
ENV NODE_ENV=production
COPY --from=dependencies /shoal/node_modules node_modules
COPY package.json ./
COPY libs libs
COPY --from=contracts /shoal/libs/contracts/gen libs/contracts/gen
ARG SERVICE
COPY apps/${SERVICE} apps/${SERVICE}
USER node
# Node is the process itself, not a child of npm or a shell, so SIGTERM reaches it and the exit code is its own.
WORKDIR /shoal/apps/${SERVICE}
CMD ["node", "src/main.ts"]
