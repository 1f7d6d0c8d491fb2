FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY tsconfig.base.json ./
COPY shared shared
COPY cluster cluster
COPY node node
COPY dashboard dashboard
RUN npx tsc -b node && npx vite build dashboard && npm prune --omit=dev

FROM node:20-slim
ENV NODE_ENV=production
# As scripts/cluster/member.ts has it: freed buffers go back to the system.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=4194304 MALLOC_TRIM_THRESHOLD_=4194304
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# A named volume takes its owner from here; the node never runs as root.
RUN install -d -o node -g node /data
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 3000}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-old-space-size=768", "--heap-growing-percent=40", "--max-semi-space-size=16", "--single-threaded-gc", "--expose-gc", "dist/node/main.js"]
